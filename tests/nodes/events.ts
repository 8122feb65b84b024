/** What happens to the nodes while visitors go on. */

import { createSessionId } from "../../src/core/token.ts";
import type { Crowd } from "./crowd.ts";
import type { Engine } from "./engines.ts";
import type { Fleet } from "./fleet.ts";

/** The events, each alone; and all of them at once. */
export const EVENTS = [
  "servers are killed and started anew",
  "the engine fails",
  "the next version is deployed",
  "the secrets are rotated",
  "users are revoked",
  "all of these at once",
] as const;

/** The name of an event. */
export type EventName = typeof EVENTS[number];

/** What an event happens to. */
export interface Scene {
  readonly engine: Engine;
  readonly fleet: Fleet;
  readonly crowd: Crowd;
}

/** What a fleet begins with. */
export const AT_FIRST: {
  readonly secrets: readonly string[];
  readonly version: number;
} = { secrets: [secretOf(1)], version: 1 };

/** The texts of sessions of a later format, by ID. */
export type LaterSessions = ReadonlyMap<string, string | undefined>;

const LATER_SESSIONS = 10;
const LATER = JSON.stringify({ format: 2, data: {}, createdAt: 1 });

/** How long a server is away that was killed, in ms; and between other steps. */
const AWAY = 1_000;
const PAUSE = 500;

/** Puts sessions of a later format there: this version neither reads nor writes them. */
export async function putLater(engine: Engine): Promise<LaterSessions> {
  const later = new Map<string, string | undefined>();
  for (let n = 0; n < LATER_SESSIONS; n++) {
    const id = createSessionId();
    await engine.spoil(id, LATER);
    later.set(id, await engine.read(id));
  }
  return later;
}

/** What happens in a run; it knows what has happened before. */
export class Events {
  readonly #scene: Scene;
  readonly #later: LaterSessions;
  #version = AT_FIRST.version;
  #secret = 1;
  #killed = 0;

  /**
   * @param scene What it happens to.
   * @param later What {@linkcode putLater} has put there.
   */
  constructor(scene: Scene, later: LaterSessions) {
    this.#scene = scene;
    this.#later = later;
  }

  /**
   * Lets something happen; resolves when it is over.
   *
   * @param duration How long it is to take, in ms; it may take longer.
   */
  async happen(name: EventName, duration: number): Promise<void> {
    switch (name) {
      case "servers are killed and started anew":
        return await this.#killServers(duration);
      case "the engine fails":
        return await this.#scene.engine.fail(duration);
      case "the next version is deployed":
        return await this.#deployVersion();
      case "the secrets are rotated":
        return await this.#rotateSecrets();
      case "users are revoked":
        return await this.#revokeUsers(duration);
      case "all of these at once":
        await Promise.all(
          EVENTS.filter((other) => other !== name)
            .map((other) => this.happen(other, duration)),
        );
    }
  }

  /** Names the sessions of a later format that were changed. */
  async findOverwritten(): Promise<string[]> {
    const overwritten: string[] = [];
    for (const [id, text] of this.#later) {
      const now = await this.#scene.engine.read(id);
      if (now !== text) overwritten.push(`${id}, of a later format: ${now}`);
    }
    return overwritten;
  }

  async #killServers(duration: number): Promise<void> {
    const end = performance.now() + duration;
    const away = Math.min(AWAY, duration / 4);
    do await this.#scene.fleet.kill(this.#killed++, away); while (
      performance.now() < end
    );
  }

  /** Meanwhile some visitors bring the cookies of sessions of a later format. */
  async #deployVersion(): Promise<void> {
    const { fleet, crowd } = this.#scene;
    let isOver = false;
    const bring = async () => {
      while (!isOver) {
        for (const id of this.#later.keys()) await crowd.bringUnknown(id);
      }
    };
    const brought = bring();
    await fleet.deploy({ version: ++this.#version });
    isOver = true;
    await brought;
  }

  /** As the documentation of `secrets` says. */
  async #rotateSecrets(): Promise<void> {
    const { fleet, crowd } = this.#scene;
    const [old, next] = [secretOf(this.#secret), secretOf(++this.#secret)];
    await fleet.deploy({ secrets: [old, next] });
    await fleet.deploy({ secrets: [next, old] });
    // Until none is sealed by the old one of the sessions that are in use.
    await crowd.haveAllSeen(2);
    for (let before = -1;;) {
      const { resealed } = await fleet.count();
      if (resealed === before) break;
      before = resealed;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    await fleet.deploy({ secrets: [next] });
  }

  async #revokeUsers(duration: number): Promise<void> {
    const end = performance.now() + duration;
    do {
      await this.#scene.crowd.revokeOne();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    } while (performance.now() < end);
  }
}

function secretOf(n: number): string {
  return `secret ${n} of the servers`.padEnd(32, ".");
}

/**
 * Fleets of servers in different phases of a migration: two of them, in every
 * order of the calls that they make of the two stores in which the turn changes
 * at most four times; and orders drawn at random of three, of which one may stop
 * for ever before any of its calls, as one that is killed does.
 */

import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { KEEP, type SessionStore } from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import { migrateSessions } from "../../src/migration/move_session.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { EFFORT } from "../effort.ts";
import { Random } from "../random.ts";
import { replaceSystem } from "../replaced_system.ts";

/** What a server knows: the old store alone, both, the new store alone. */
type Phase = "old" | "ready" | "moving" | "new";
type Act = "update" | "delete" | "create" | "touch" | "save";
type Actor = readonly [phase: Phase, act: Act];

const LIFE = { idleTimeout: 2 * HOUR, secretHash: "hash" };
const NOW = 1_763_629_200_000;
const BEFORE = NOW - HOUR;
/** A flow that tries for ever is cut off here. */
const MOST_STEPS = 60;
const MOST_TURNS = 4;
const SAMPLES = 5_000;

/** A server that stops before each call of a store until it is let go on. */
class Server {
  readonly done: Promise<void>;
  result: unknown;
  isOver = false;
  #go = Promise.withResolvers<void>();
  #stop = Promise.withResolvers<void>();

  constructor(act: (server: Server) => Promise<unknown>) {
    this.done = act(this).then((result) => {
      this.result = result;
      this.isOver = true;
      this.#stop.resolve();
    });
  }

  /** Stops until {@linkcode step} lets it go on. */
  async pause(): Promise<void> {
    const go = this.#go;
    this.#stop.resolve();
    await go.promise;
  }

  /** Resolves when the server has stopped, or is done. */
  get hasStopped(): Promise<void> {
    return this.#stop.promise;
  }

  /** Lets it make one call. */
  async step(): Promise<void> {
    const go = this.#go;
    this.#go = Promise.withResolvers();
    this.#stop = Promise.withResolvers();
    go.resolve();
    await this.#stop.promise;
  }
}

/** The server that runs now; a wait of its own is a step, too. */
let running: Server | undefined;

function handleOf(store: SessionStore, server: () => Server): SessionStore {
  return new Proxy(store, {
    get: (_, name) => {
      const value = store[name as keyof SessionStore];
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        await server().pause();
        return await (value as (...args: unknown[]) => unknown)
          .apply(store, args);
      };
    },
  });
}

function storeOf(
  phase: Phase,
  from: SessionStore,
  to: SessionStore,
): SessionStore {
  if (phase === "old") return from;
  if (phase === "new") return to;
  return new MigratingSessionStore(from, to, { phase, now: () => NOW });
}

async function perform(
  store: SessionStore,
  act: Act,
  name: string,
): Promise<unknown> {
  const record = recordOf({ [name]: true }, LIFE);
  if (act === "create") return store.create(ID, record);
  if (act === "save") return store.save(ID, record);
  if (act !== "update") return store[act](ID);
  // As a manager does, which may be given a placeholder in the new store.
  let isOurs = false;
  const kept = await store.update(ID, ({ data, ...rest }) => {
    isOurs = rest.secretHash === LIFE.secretHash;
    return isOurs ? { ...rest, data: { ...data, [name]: true } } : KEEP;
  });
  return isOurs && kept !== undefined;
}

/** Two stores, and servers that are at work on one session. */
class Scene {
  readonly #actors: readonly Actor[];
  readonly #isThere: boolean;
  readonly from: MemorySessionStore = new MemorySessionStore({
    now: () => NOW,
  });
  readonly to: MemorySessionStore = new MemorySessionStore({ now: () => NOW });
  readonly servers: Server[] = [];
  readonly killed: Set<Server> = new Set();
  steps = 0;

  constructor(actors: readonly Actor[], isThere: boolean) {
    this.#actors = actors;
    this.#isThere = isThere;
  }

  async begin(): Promise<void> {
    // A server of the new store alone comes after the end of the migration.
    const isMoved = this.#actors.some(([phase]) => phase === "new");
    const record = recordOf({ first: true }, LIFE);
    const home = isMoved ? this.to : this.from;
    if (this.#isThere) await home.create(ID, record, { lastAccess: BEFORE });
    for (const [n, [phase, act]] of this.#actors.entries()) {
      const server: Server = new Server(async (own) => {
        await own.pause();
        const [from, to] = [this.from, this.to].map((store) =>
          handleOf(store, () => own)
        );
        return await perform(storeOf(phase, from!, to!), act, `by${n}`);
      });
      this.servers.push(server);
      await server.hasStopped;
    }
  }

  /** The servers that can go on. */
  get awake(): Server[] {
    return this.servers.filter((one) => !one.isOver && !this.killed.has(one));
  }

  async step(server: Server): Promise<void> {
    running = server;
    await server.step();
    this.steps++;
  }

  /** Throws if what the servers were told and what is there do not agree. */
  async check(): Promise<void> {
    const told = this.#actors.map(([, act], n) => {
      const server = this.servers[n]!;
      return {
        act,
        name: `by${n}`,
        isKilled: this.killed.has(server),
        isDone: server.isOver && server.result !== false &&
            server.result !== undefined || server.isOver && act === "save",
      };
    });
    const seen: (SessionRecord | undefined)[] = [];
    for (const phase of ["ready", "moving"] as const) {
      seen.push(await storeOf(phase, this.from, this.to).load(ID));
    }
    assertEquals(seen[0], seen[1], "both phases see the same");
    const [record] = seen;
    const acts = (act: Act) => told.filter((one) => one.act === act);
    const mayBeGone = acts("delete").some(({ isDone, isKilled }) =>
      isDone || isKilled
    );
    const begins = [...acts("create"), ...acts("save")];
    if (acts("delete").some(({ isDone }) => isDone) && begins.length === 0) {
      assertEquals(record, undefined, "a logout that was answered holds");
    }
    if (this.#isThere && !mayBeGone) {
      assert(record !== undefined, "the session is there");
      if (acts("touch").some(({ isDone }) => isDone)) {
        const at = await lastAccessOf(
          storeOf("moving", this.from, this.to),
          ID,
        );
        assertEquals(at, NOW, "a touch that was answered holds");
      }
    }
    if (!mayBeGone && acts("save").length === 0) {
      for (const { name, isDone } of acts("update")) {
        if (isDone) assert(record?.data[name], "an update is not lost");
      }
    }
    const created = acts("create").filter(({ isDone }) => isDone);
    if (this.#isThere && !mayBeGone) assertEquals(created.length, 0);
    if (!this.#isThere && told.length === acts("create").length) {
      assert(created.length < 2, "one call creates it");
      if (this.killed.size === 0) assertEquals(created.length, 1);
      if (created.length === 1) {
        assert(record?.data[created[0]!.name], "what was created is there");
      }
    }
    await migrateSessions(this.from, this.to);
    const kept = await this.to.load(ID);
    const isSession = kept?.secretHash === LIFE.secretHash;
    assertEquals(
      isSession ? kept : undefined,
      record,
      "the migration keeps it",
    );
  }
}

/** Plays one order: each number picks a server, or one to be killed. */
async function play(
  actors: readonly Actor[],
  isThere: boolean,
  choose: (count: number) => number,
  { kills = 0, mostTurns = Infinity },
): Promise<void> {
  const wait = async () => {
    await running!.pause();
  };
  using _system = replaceSystem({ wait });
  const scene = new Scene(actors, isThere);
  await scene.begin();
  const chosen: string[] = [];
  let turns = 0;
  let last: Server | undefined;
  try {
    for (;;) {
      const { awake } = scene;
      if (awake.length === 0 || scene.steps >= MOST_STEPS) break;
      // The one that had the turn comes first.
      if (awake.includes(last!)) awake.sort((one) => one === last ? -1 : 0);
      const isLimited = turns >= mostTurns && awake[0] === last;
      const count = isLimited ? 1 : awake.length;
      const mayKill = scene.killed.size < kills;
      const pick = choose(mayKill ? 2 * count : count);
      const server = awake[pick % count]!;
      const isKill = pick >= count;
      if (awake[0] === last && server !== last) turns++;
      last = server;
      chosen.push(`${isKill ? "kill" : ""}${scene.servers.indexOf(server)}`);
      if (isKill) scene.killed.add(server);
      else await scene.step(server);
    }
    if (scene.steps < MOST_STEPS) await scene.check();
  } catch (error) {
    throw new Error(`order ${chosen.join(" ")}`, { cause: error });
  }
}

/** Plays all orders with few turns; returns how many. */
async function playAll(
  actors: readonly Actor[],
  isThere: boolean,
): Promise<number> {
  let count = 0;
  /** The choices of the last order, and how many there were of each. */
  let path: { pick: number; of: number }[] = [];
  for (;;) {
    let depth = 0;
    await play(actors, isThere, (of) => {
      path[depth] ??= { pick: 0, of };
      return path[depth++]!.pick;
    }, { mostTurns: MOST_TURNS });
    count++;
    path = path.slice(0, depth);
    while (path.length > 0 && path.at(-1)!.pick + 1 >= path.at(-1)!.of) {
      path.pop();
    }
    if (path.length === 0) return count;
    path.at(-1)!.pick++;
  }
}

/** Which phases are at work at the same time, step after step. */
const FLEETS: readonly (readonly [Phase, Phase])[] = [
  ["old", "ready"],
  ["ready", "ready"],
  ["ready", "moving"],
  ["moving", "moving"],
  ["moving", "new"],
];
const ACTS_ON_A_SESSION: readonly Act[] = ["update", "delete", "touch", "save"];

for (const [one, other] of FLEETS) {
  Deno.test(`a session of a fleet of "${one}" and "${other}" is neither lost nor brought back, nor an update`, async () => {
    let count = 0;
    for (const first of ACTS_ON_A_SESSION) {
      for (const second of ACTS_ON_A_SESSION) {
        const actors = [[one, first], [other, second]] as const;
        count += await playAll(actors, true);
      }
    }
    for (const act of ["create", "update", "delete"] as const) {
      count += await playAll([[one, "create"], [other, act]], false);
    }
    console.log(`${one}, ${other}: ${count} orders`);
  });
}

Deno.test("a session of a fleet in which servers are killed is neither lost nor brought back", async () => {
  const random = new Random(1);
  for (let n = 0; n < SAMPLES * EFFORT; n++) {
    const fleet = random.pick(FLEETS);
    const actors: Actor[] = [];
    for (let one = 0; one < 3; one++) {
      actors.push([random.pick(fleet), random.pick(ACTS_ON_A_SESSION)]);
    }
    await play(actors, true, (count) => random.below(count), {
      kills: 1,
    });
    const creators: Actor[] = actors.map(([phase]) => [phase, "create"]);
    await play(creators, false, (count) => random.below(count), { kills: 1 });
  }
});

/**
 * A refresh of a bound session against another request, in every order of what
 * they ask of the store, as of two servers; and a server that dies between any
 * two of these, so that an answer never comes.
 */

import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { SoftKey } from "../device/soft_key.ts";
import { takeShare } from "../share.ts";
import { type DeviceBrowser, offerOf } from "./device_browser.ts";
import {
  type DeviceScene,
  deviceScene,
  EVERY,
  GRACE,
  userOf,
} from "./device_scene.ts";
import { idOf } from "./set_up.ts";

const HTTPS = "https://app.example/";
const DAY = 24 * 60 * 60_000;
/** What a manager asks a store for. */
const CALLS = ["load", "create", "update", "delete", "has"] as const;

/** One of two requests, which waits before each call of the store. */
class Actor {
  isDone = false;
  #next: (() => void) | undefined;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** The store, as this actor sees it. */
  watch(store: SessionStore): SessionStore {
    const watched = Object.create(store);
    for (const name of CALLS) {
      watched[name] = async (...args: unknown[]) => {
        await new Promise<void>((resolve) => {
          this.#next = resolve;
          this.#tell();
        });
        return await Reflect.apply(store[name], store, args);
      };
    }
    watched.entries = (...args: []) => store.entries(...args);
    return watched;
  }

  async run(act: () => Promise<unknown>): Promise<unknown> {
    try {
      return await act();
    } finally {
      this.isDone = true;
      this.#tell();
    }
  }

  /** Waits until it is about to call the store, or done. */
  async settle(): Promise<void> {
    while (this.#next === undefined && !this.isDone) {
      await this.#changed.promise;
    }
  }

  /** Lets it go on to its next call, or the end. */
  async step(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    next?.();
    await this.settle();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** Plays all orders of two actors: `play` is given what chooses who goes on. */
async function inEveryOrder(
  play: (choose: () => boolean) => Promise<void>,
): Promise<number> {
  const prefixes: boolean[][] = [[]];
  let orders = 0;
  for (let prefix = prefixes.pop(); prefix; prefix = prefixes.pop()) {
    const chosen: boolean[] = [];
    const isFirst = prefix;
    await play(() => {
      const choice = isFirst[chosen.length] ?? false;
      if (chosen.length >= isFirst.length) prefixes.push([...chosen, true]);
      chosen.push(choice);
      return choice;
    });
    orders++;
  }
  return orders;
}

/** What the other request does, and its answer's cookie if it sets one. */
type Other =
  | "login"
  | "logout"
  | "regenerate"
  | "write"
  | "revoke"
  | "expire"
  | "refresh"
  | "registration";

/** What was left of an order. */
interface Ending {
  readonly scene: DeviceScene;
  readonly browser: DeviceBrowser;
  readonly id: string;
  readonly refreshed: Response;
  /** The answer of the other request. */
  readonly other: Response | undefined;
  readonly record: SessionRecord | undefined;
}

function pairOf(response: Response | undefined): string | undefined {
  const [line] = response?.headers.getSetCookie() ?? [];
  return line?.split(";", 1)[0];
}

/** As whom a cookie opens a session. */
async function opens(
  { scene }: Ending,
  cookie: string | undefined,
): Promise<string | null> {
  if (cookie === undefined) return null;
  return await userOf(
    scene.handle(new Request(HTTPS, { headers: { cookie } })),
  );
}

const CHECKS: Readonly<Record<Other, (ending: Ending) => Promise<void>>> = {
  login: async (ending) => {
    const { refreshed, other, record } = ending;
    // A proof of the device that was there before never comes after the login.
    assertEquals(record?.device, undefined);
    assert(offerOf(other!) !== undefined && record?.deviceOffer !== undefined);
    assertEquals(await opens(ending, pairOf(other)), "ann");
    assertEquals(await opens(ending, pairOf(refreshed)), null);
  },
  logout: ended,
  revoke: ended,
  expire: ended,
  regenerate: async (ending) => {
    const { refreshed, other, record } = ending;
    assert(record?.device !== undefined);
    // After the refresh it gets no secret, and ends the grace of its own.
    const isBehind = record.previous === undefined;
    assertEquals(pairOf(other) === undefined, isBehind);
    const grace = isBehind ? null : "ann";
    const before = isBehind ? ending.browser.pair : pairOf(other);
    assertEquals(await opens(ending, before), grace);
    assertEquals(await opens(ending, pairOf(refreshed)), "ann");
  },
  write: async (ending) => {
    assertEquals(ending.refreshed.status, 200);
    assertEquals(ending.record!.data, { n: 1 });
    assertEquals(await opens(ending, pairOf(ending.refreshed)), "ann");
  },
  refresh: async (ending) => {
    const answers = [ending.refreshed, ending.other!];
    const statuses = answers.map(({ status }) => status).sort();
    assertEquals(statuses, [200, 403]);
    const winner = answers.find(({ status }) => status === 200);
    assertEquals(await opens(ending, pairOf(winner)), "ann");
  },
  registration: async (ending) => {
    assertEquals(ending.other!.status, 404);
    assertEquals(await opens(ending, pairOf(ending.refreshed)), "ann");
  },
};

async function ended(ending: Ending): Promise<void> {
  const { refreshed, browser } = ending;
  assert([200, 404, 403].includes(refreshed.status));
  for (const pair of [pairOf(refreshed), browser.pair]) {
    assertEquals(await opens(ending, pair), null);
  }
  // And it stays so, whatever the browser tries.
  browser.cookie = undefined;
  assertEquals(await userOf(browser.visit("/")), null);
}

/** Makes a manager of one actor. */
function managerOf(scene: DeviceScene, actor: Actor): SessionManager {
  return new SessionManager({
    store: actor.watch(scene.store),
    now: () => scene.clock.now,
    idleTimeout: DAY,
    rotateGrace: GRACE,
    deviceBound: { refreshEvery: EVERY },
    // No timers on calls that wait for their turn.
    storeTimeout: Infinity,
  });
}

async function playOnce(
  medium: typeof MEDIA[number],
  name: Other,
  choose: () => boolean,
): Promise<Ending & AsyncDisposable> {
  const scene = deviceScene(medium);
  const browser = scene.browser();
  const offer = offerOf(await browser.send("/login"))!;
  await browser.answer(offer);
  const { session, pair } = browser;
  const { key, challenge, identifier, refreshUrl } = session!;
  const id = idOf(pair!);
  const cookie = pair!;
  const post = (path: string, proof: string) =>
    new Request(new URL(path, HTTPS), {
      method: "POST",
      headers: {
        cookie,
        "sec-secure-session-id": identifier,
        "secure-session-response": proof,
      },
    });
  const proof = await key.refresh(challenge!);
  const again = await key.register(offer.challenge);
  const actors = [new Actor(), new Actor()] as const;
  const [mine, theirs] = actors.map((actor) => managerOf(scene, actor)) as [
    SessionManager,
    SessionManager,
  ];
  const visit = (act: (session: never) => void) =>
    theirs.run(new Request(HTTPS, { headers: { cookie } }), (session) => {
      act(session as never);
      return Response.json(session.user);
    });
  const acts: Record<Other, () => Promise<unknown>> = {
    login: () => visit((it: SessionLike) => it.setUser("ann")),
    logout: () => visit((it: SessionLike) => it.setUser(null)),
    regenerate: () => visit((it: SessionLike) => it.regenerate()),
    write: () => visit((it: SessionLike) => it.set("n", 1)),
    revoke: () => theirs.revokeUser("ann"),
    expire: () => theirs.expire(id),
    refresh: () => theirs.answerDevice(post(refreshUrl, proof)),
    registration: () => theirs.answerDevice(post("/device-session", again)),
  };
  const running = [
    actors[0].run(() => mine.answerDevice(post(refreshUrl, proof))),
    actors[1].run(acts[name]),
  ];
  for (;;) {
    await Promise.all(actors.map((actor) => actor.settle()));
    const open = actors.filter(({ isDone }) => !isDone);
    if (open.length === 0) break;
    await open[open.length === 2 && choose() ? 1 : 0]!.step();
  }
  const [refreshed, other] = await Promise.all(running);
  return {
    scene,
    browser,
    id,
    refreshed: refreshed as Response,
    other: other instanceof Response ? other : undefined,
    record: (await scene.records()).get(id),
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}

/** What the acts need of a session. */
interface SessionLike {
  setUser(user: string | null): void;
  regenerate(): void;
  set(key: string, value: number): void;
}

const MEDIA = ["memory", "directory"] as const;
const CASES = MEDIA.flatMap((medium) =>
  (Object.keys(CHECKS) as Other[]).map((name) => [medium, name] as const)
);

for (const [medium, name] of takeShare(CASES)) {
  Deno.test(`a refresh and a ${name} at once, in every order (${medium})`, async () => {
    const orders = await inEveryOrder(async (choose) => {
      await using ending = await playOnce(medium, name, choose);
      await CHECKS[name](ending);
    });
    // A refresh calls the store three times, the other request once at least.
    assert(orders >= 4, `${orders}`);
  });
}

for (const medium of MEDIA) {
  Deno.test(`a server that dies during a registration or a refresh leaves the old state or the new (${medium})`, async () => {
    for (const leg of ["registration", "refresh"] as const) {
      let isOver = false;
      for (let calls = 0; !isOver; calls++) {
        await using scene = deviceScene(medium);
        const browser = leg === "refresh"
          ? await scene.bound()
          : scene.browser();
        const offer = leg === "registration"
          ? offerOf(await browser.send("/login"))
          : undefined;
        const before = browser.pair!;
        const actor = new Actor();
        const manager = managerOf(scene, actor);
        const answering = actor.run(() => send(browser, manager, offer));
        // After so many calls nothing more is heard of it.
        await actor.settle();
        for (let n = 0; n < calls && !actor.isDone; n++) await actor.step();
        isOver = actor.isDone;
        const { device } = await scene.record(browser);
        // Its cookie is good yet, in the new state for the grace.
        assertEquals(await userOf(browser.ask("/", {}, before)), "ann");
        scene.clock.now += GRACE;
        const late = await userOf(browser.ask("/", {}, before));
        if (leg === "refresh") {
          // The browser heals by a refresh, if its cookie was replaced.
          if (late === null) browser.cookie = undefined;
          assertEquals(await userOf(browser.visit("/")), "ann");
        } else {
          assertEquals(late, device === undefined ? "ann" : null);
        }
        if (isOver) await answering;
      }
    }
  });
}

/** Sends the leg to a server, whose answer the browser does not get. */
async function send(
  browser: DeviceBrowser,
  manager: SessionManager,
  offer: { path: string; challenge: string } | undefined,
): Promise<void> {
  const { session, pair } = browser;
  const proof = session === undefined
    ? await (await SoftKey.create()).register(offer!.challenge)
    : await session.key.refresh(session.challenge!);
  await manager.answerDevice(
    new Request(new URL(session?.refreshUrl ?? offer!.path, HTTPS), {
      method: "POST",
      headers: {
        cookie: pair!,
        "sec-secure-session-id": session?.identifier ?? "",
        "secure-session-response": proof,
      },
    }),
  );
}

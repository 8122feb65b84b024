/** Visitors find what is wrong, and nothing where all is right. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { KEEP, type SessionStore } from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { Random } from "../random.ts";
import { Application } from "./application.ts";
import { Revocations } from "./revocations.ts";
import { type Send, Violation, Visitor } from "./visitor.ts";

const ACTS = 3_000;
const VISITORS = 10;
const USERS = 5;

/** What is wrong on purpose. */
interface Damage {
  readonly store?: (
    store: SessionStore,
    random: Random,
  ) => Partial<SessionStore>;
  readonly send?: (send: Send, random: Random) => Send;
}

/** Lets visitors act; returns the first violation. */
async function findViolation(
  { store: damageStore, send: damageSend }: Damage,
): Promise<string | undefined> {
  const random = new Random(1);
  const memory = new MemorySessionStore();
  const damaged = damageStore?.(memory, random) ?? {};
  const store = new Proxy<SessionStore>(memory, {
    get: (_, name) => {
      const value = Reflect.get(name in damaged ? damaged : memory, name);
      return typeof value === "function" ? value.bind(memory) : value;
    },
  });
  const application = new Application({ store, idleTimeout: 3_600_000 });
  const answer: Send = (request) =>
    application.answer(request).catch(() =>
      new Response(null, { status: 500 })
    );
  const send = damageSend?.(answer, random) ?? answer;
  const revocations = new Revocations();
  const visitors = Array.from({ length: VISITORS }, (_, n) =>
    new Visitor({
      name: `visitor ${n}`,
      send,
      random,
      drawUser: () => `user ${random.below(USERS)}`,
      revocations,
      leaveFor: 1_000,
    }));
  try {
    for (let n = 0; n < ACTS; n++) {
      const acting = random.pick(visitors).act();
      if (random.oneIn(20)) {
        const user = `user ${random.below(USERS)}`;
        const url = `http://127.0.0.1/revoke?word=${encodeURIComponent(user)}`;
        await revocations.during(
          user,
          async () => (await send(new Request(url))).ok,
        );
      }
      await acting;
    }
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    throw error;
  }
}

Deno.test("visitors find nothing wrong where nothing is", async () => {
  assertEquals(await findViolation({}), undefined);
});

Deno.test("a request without an answer may have been carried out, or be yet, or never", async () => {
  const late: (() => Promise<unknown>)[] = [];
  const violation = await findViolation({
    send: (send, random) => async (request) => {
      if (request.url.includes("/revoke") || !random.oneIn(20)) {
        const response = await send(request);
        if (random.oneIn(5)) await late.pop()?.();
        return response;
      }
      if (random.oneIn(3)) await send(request);
      else if (random.oneIn(2)) late.push(() => send(request));
      return new Response(null, { status: 502 });
    },
  });
  assertEquals(violation, undefined);
});

Deno.test("a commit without an answer may be kept while another request is under way", async () => {
  const late = new Map<string, () => Promise<unknown>>();
  const violation = await findViolation({
    store: (store, random) => ({
      update: async (id, change, options) => {
        const before = late.get(id);
        if (before === undefined && random.oneIn(10)) {
          late.set(id, () => store.update(id, change, options));
          throw new Error("it takes too long");
        }
        if (before !== undefined && random.oneIn(2)) {
          late.delete(id);
          await before();
        }
        return await store.update(id, change, options);
      },
    }),
  });
  assertEquals(violation, undefined);
});

const DAMAGES: Readonly<Record<string, Damage>> = {
  "an acknowledged change is lost": {
    store: (store, random) => ({
      update: async (id, change, options) => {
        if (!random.oneIn(100)) return await store.update(id, change, options);
        const record = await store.load(id);
        const after = record && change(record);
        return after === KEEP ? record : after ?? (record && null);
      },
    }),
  },
  "a session that has ended comes back": {
    store: (store, random) => ({
      update: async (id, change, options) => {
        const record = await store.load(id);
        const after = await store.update(id, change, options);
        if (after === null && random.oneIn(5)) await store.save(id, record!);
        return after;
      },
    }),
  },
  "a session is another visitor's": {
    send: (send, random) => {
      let other: string | null = null;
      return (request) => {
        const cookie = request.headers.get("cookie");
        const headers = new Headers(request.headers);
        if (other !== null && random.oneIn(100)) headers.set("cookie", other);
        other = cookie ?? other;
        return send(new Request(request, { headers }));
      };
    },
  },
  "a revocation ends nothing": {
    send: (send) => async (request) =>
      request.url.includes("/revoke") ? new Response("0") : await send(request),
  },
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`visitors find it when ${what}`, async () => {
    const violation = await findViolation(damage);
    assert(violation !== undefined);
    assertMatch(violation, /^visitor \d: /);
    console.log(violation);
  });
}

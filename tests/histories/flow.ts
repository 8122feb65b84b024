/** One after the other of random calls on a few sessions, noted in a history. */

import { SessionGoneError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { hashSecret } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { Random } from "../random.ts";
import type { Act, Answer, Call, HistoryWriter } from "./history.ts";

/** The sessions that everybody is after. */
export const IDS: readonly string[] = Array.from(
  { length: 5 },
  (_, n) => `${n}`.repeat(32),
);

/** The secret that everybody knows; each regenerated one only its maker does. */
const SECRET = "AAAAAAAAAAAAAAAAAAAAAA";
const SECRET_HASH = hashSecret(SECRET);
/** What a number stands for in a record; see {@linkcode valueOf}. */
type Entry = [value: number, filling: string];
type Data = { entry: Entry };

const MOST_VALUES = 1_000_000;
const SHORT = 40;
const HOURS = 10_000_000;

/** How often of a hundred times; a request opens and then may do more. */
const SHARES: readonly (readonly [Act, number])[] = [
  ["load", 19],
  ["load+touch", 9],
  ["touch", 9],
  ["has", 5],
  ["save", 7],
  ["create", 10],
  ["update", 15],
  ["delete", 4],
  ["cleanup", 2],
  ["open", 20],
];

/** A file of a few hundred bytes, or of pages; always the same for a value. */
function entryOf(value: number): Entry {
  const most = value % 4 === 0 ? 9_000 : 300;
  return [value, "x".repeat(value * 7919 % most)];
}

/** Which value was read; a text that nobody answers when it is of no one. */
function valueOf(data: SessionRecord["data"] | Data | undefined): Answer {
  if (data === undefined) return null;
  const [value, filling] = data.entry as Entry;
  return filling.length === entryOf(value)[1].length ? value : "torn";
}

/** What a flow works with. */
export interface FlowOptions {
  /** Its number in the history. */
  readonly client: number;
  readonly store: SessionStore;
  readonly history: HistoryWriter;
  /** The same seed makes the same choices. */
  readonly seed: number;
  /** Takes an error for an answer that was never heard. */
  readonly toleratesErrors?: boolean;
}

/** One flow: it does one thing after the other. */
export class Flow {
  readonly #client: number;
  readonly #store: SessionStore;
  readonly #manager: SessionManager<Data>;
  readonly #history: HistoryWriter;
  readonly #random: Random;
  readonly #toleratesErrors: boolean;
  #values = 0;
  /** What it came by when it regenerated a session. */
  readonly #secrets = new Map<number, { secret: number; token: string }>();

  /** @param options See there. */
  constructor(options: FlowOptions) {
    const { client, store, history, seed, toleratesErrors = false } = options;
    this.#client = client;
    this.#store = store;
    this.#history = history;
    this.#random = new Random(seed + client * 7919);
    this.#manager = new SessionManager<Data>({ store });
    this.#toleratesErrors = toleratesErrors;
  }

  /** Makes so many operations, one more, or all that it can. */
  async run(operations: number): Promise<void> {
    for (let count = 0; count < operations;) {
      count += await this.#act();
      if (this.#random.oneIn(4)) await new Promise(setImmediate);
    }
  }

  /** Does something, and returns how many operations that was. */
  async #act(): Promise<number> {
    const act = this.#choose();
    const session = this.#random.below(IDS.length);
    if (act === "open") return await this.#visit(session);
    const call = { call: act, session };
    const id = IDS[session]!;
    const store = this.#store;
    switch (act) {
      case "load":
        await this.#note(call, async () => readValue(await store.load(id)));
        break;
      case "load+touch":
        await this.#note(
          call,
          async () => readValue(await store.load(id, { touch: () => true })),
        );
        break;
      case "touch":
        await this.#note(call, () => store.touch(id));
        break;
      case "has":
        await this.#note(call, () => store.has(id));
        break;
      case "delete":
        await this.#note(call, () => store.delete(id));
        break;
      case "save": {
        const written = { ...call, ...this.#written() };
        await this.#note(written, async () => {
          await store.save(id, recordOf(written));
          return true;
        });
        break;
      }
      case "create": {
        const written = { ...call, ...this.#written() };
        await this.#note(written, () => store.create(id, recordOf(written)));
        break;
      }
      case "update": {
        const value = this.#newValue();
        await this.#note({ ...call, value }, async () => {
          let before: Answer = null;
          const kept = await store.update(id, (record) => {
            before = readValue(record);
            return { ...record, data: { entry: entryOf(value) } };
          });
          return kept === undefined ? null : before;
        });
        break;
      }
      case "cleanup": {
        const minutes = this.#random.pick([0, 30]);
        await this.#note({ call: act, minutes }, async () => {
          return (await store.deleteOldSessions(minutes)).deleted;
        });
      }
    }
    return 1;
  }

  /** A request, as a server has it. */
  async #visit(session: number): Promise<number> {
    const own = this.#secrets.get(session);
    const { secret, token } = own !== undefined && this.#random.oneIn(2)
      ? own
      : { secret: 0, token: IDS[session]! + SECRET };
    let opened: Session<Data> | undefined;
    await this.#note({ call: "open", session, secret }, async () => {
      const headers = { cookie: `session=${token}` };
      opened = await this.#manager.open(
        new Request("http://localhost/", { headers }),
      );
      return opened.isNew ? null : valueOf({ entry: opened.get("entry")! });
    });
    if (opened?.isNew ?? true) return 1;
    await this.#commit(opened!, session, secret);
    return 2;
  }

  async #commit(
    opened: Session<Data>,
    session: number,
    secret: number,
  ): Promise<void> {
    const act = this.#random.pick(
      ["commit", "commit", "commit", "regenerate", "destroy"] as const,
    );
    const value = act === "destroy" ? undefined : this.#newValue();
    await this.#note({ call: act, session, secret, value }, async () => {
      let before: Answer = null;
      if (value === undefined) {
        opened.destroy();
      } else {
        opened.update("entry", (entry) => {
          before = valueOf({ entry: entry! });
          return entryOf(value);
        });
      }
      if (act === "regenerate") opened.regenerate();
      const headers = new Headers();
      try {
        await this.#manager.commit(opened, headers);
      } catch (error) {
        if (error instanceof SessionGoneError) return "refused";
        throw error;
      }
      const [cookie] = headers.getSetCookie();
      if (act === "destroy") return cookie === undefined ? null : true;
      if (act === "regenerate") {
        const token = cookie!.slice("session=".length).split(";", 1)[0]!;
        this.#secrets.set(session, { secret: value!, token });
      }
      return before;
    });
  }

  async #note(call: Call, operate: () => Promise<Answer>): Promise<void> {
    const client = this.#client;
    this.#history.append({ client, at: Date.now(), ...call });
    let end: { answer: Answer } | { death: true };
    try {
      end = { answer: await operate() };
    } catch (error) {
      if (!this.#toleratesErrors) throw error;
      end = { death: true };
    }
    this.#history.append({ client, at: Date.now(), ...end });
  }

  #choose(): Act {
    let left = this.#random.below(100);
    for (const [act, share] of SHARES) {
      left -= share;
      if (left < 0) return act;
    }
    throw new Error("the shares are not a hundred");
  }

  #newValue(): number {
    if (++this.#values >= MOST_VALUES) throw new Error("too many values");
    return this.#client * MOST_VALUES + this.#values;
  }

  /** A value, and how long it lives: not at all, for an instant, for long. */
  #written(): Pick<Call, "value" | "expiresAt" | "idleTimeout"> {
    const value = this.#newValue();
    const soon = 1 + this.#random.below(SHORT);
    switch (this.#random.below(8)) {
      case 0:
        return { value, expiresAt: 1 };
      case 1:
        return { value, expiresAt: Date.now() + soon };
      case 2:
        return { value, expiresAt: Date.now() + HOURS };
      case 3:
        return { value, idleTimeout: soon };
      case 4:
        return { value, idleTimeout: HOURS };
      default:
        return { value };
    }
  }
}

function readValue(record: SessionRecord | undefined): Answer {
  return valueOf(record?.data);
}

/** The record that a call writes. */
export function recordOf(
  { value, expiresAt, idleTimeout }: Call,
): SessionRecord {
  return {
    data: { entry: entryOf(value!) },
    createdAt: 1,
    secretHash: SECRET_HASH,
    ...(expiresAt !== undefined && { expiresAt }),
    ...(idleTimeout !== undefined && { idleTimeout }),
  };
}

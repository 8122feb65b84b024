/** One after the other of random calls on a few sessions, noted in a history. */

import { SessionGoneError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { recordOf, requestOf, SECRET, SECRET_HASH } from "../constants.ts";
import { REQUESTS, STORE_OPERATIONS } from "../operations.ts";
import { Random } from "../random.ts";
import type { Act, Answer, Call, HistoryWriter } from "./history.ts";

/** The sessions that all flows use. */
export const IDS: readonly string[] = Array.from(
  { length: 5 },
  (_, n) => `${n}`.repeat(32),
);

/** What a number stands for in a record; see {@linkcode valueOf}. */
type Entry = [value: number, filling: string];
type Data = { entry: Entry };

const MOST_VALUES = 1_000_000;
const SHORT = 40;
const HOURS = 10_000_000;

/** How often of a hundred times; a request opens and then may do more. */
const SHARES = {
  load: 19,
  "load+touch": 9,
  touch: 9,
  has: 5,
  save: 7,
  create: 10,
  update: 15,
  delete: 4,
  cleanup: 2,
  open: 20,
} as const;

/** Each as often as its share is. */
const CHOICES = Object.entries(SHARES).flatMap(([act, share]) =>
  Array<keyof typeof SHARES>(share).fill(act as keyof typeof SHARES)
);

/** A file of a few hundred bytes, or of pages; always the same for a value. */
function entryOf(value: number): Entry {
  const most = value % 4 === 0 ? 9_000 : 300;
  return [value, "x".repeat(value * 7919 % most)];
}

/** Which value was read; a text that no operation answers, when it is none. */
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
  /** Whether an error counts as an answer that never came. */
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
    const act = this.#random.pick(CHOICES);
    const session = this.#random.below(IDS.length);
    if (act === "open") return await this.#visit(session);
    const store = this.#store;
    if (act === "cleanup") {
      const minutes = this.#random.pick([0, 30]);
      await this.#note({ call: act, minutes }, async () => {
        return (await store.deleteOldSessions(minutes)).deleted;
      });
      return 1;
    }
    const call = { call: act, session, ...this.#written(act) };
    await this.#note(call, async () => {
      let found: Answer = null;
      const answer = await STORE_OPERATIONS[act].call({
        store,
        id: IDS[session]!,
        record: sessionOf(call),
        change: (record) => {
          found = readValue(record);
          return { ...record, data: { entry: entryOf(call.value!) } };
        },
      });
      if (act === "save") return true;
      if (answer === undefined || typeof answer === "boolean") {
        return answer ?? null;
      }
      return act === "update" ? found : readValue(answer as SessionRecord);
    });
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
      opened = await this.#manager.open(requestOf(token));
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
      const write = (session: Session<Data>) =>
        session.update("entry", (entry) => {
          before = valueOf({ entry: entry! });
          return entryOf(value!);
        });
      if (act === "regenerate") write(opened);
      REQUESTS[act].handle(opened, write);
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
        const token = cookie!.slice("latchkey=".length).split(";", 1)[0]!;
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

  #newValue(): number {
    if (++this.#values >= MOST_VALUES) throw new Error("too many values");
    return this.#client * MOST_VALUES + this.#values;
  }

  /**
   * What an operation writes: a value, and how long it lives: not at all, for
   * an instant, for long.
   */
  #written(act: Act): Pick<Call, "value" | "expiresAt" | "idleTimeout"> {
    if (!["save", "create", "update"].includes(act)) return {};
    const value = this.#newValue();
    if (act === "update") return { value };
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
export function sessionOf(
  { value = 0, expiresAt, idleTimeout }: Call,
): SessionRecord {
  return recordOf({ entry: entryOf(value) }, {
    secretHash: SECRET_HASH,
    ...(expiresAt !== undefined && { expiresAt }),
    ...(idleTimeout !== undefined && { idleTimeout }),
  });
}

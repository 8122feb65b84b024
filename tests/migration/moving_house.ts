import type { SessionRecord } from "../../src/core/record.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import {
  entriesOf,
  HOUR,
  ID,
  lastAccessOf,
  recordOf,
} from "../contract/contract.ts";

const MINUTE = 60_000;

/** The session that is in the old store. */
export const RECORD: SessionRecord = recordOf(
  { n: 1 },
  { idleTimeout: HOUR, secretHash: "one" },
);

/** Two stores, and the session in the old one. */
export class House {
  /** What both stores take for the time. */
  now: number = Date.now();
  readonly from: MemorySessionStore;
  readonly to: MemorySessionStore;
  readonly store: MigratingSessionStore;

  /** Makes two that are empty. */
  constructor() {
    const now = () => this.now;
    this.from = new MemorySessionStore({ now });
    this.to = new MemorySessionStore({ now });
    this.store = new MigratingSessionStore(this.from, this.to, now);
  }

  /** Makes one with that session, last accessed a minute ago. */
  static async make(record: SessionRecord = RECORD): Promise<House> {
    const house = new House();
    const lastAccess = house.now - MINUTE;
    await house.from.create(ID, record, { lastAccess });
    return house;
  }

  /** What anybody sees of the session. */
  async see(): Promise<unknown> {
    return {
      record: await this.store.load(ID),
      lastAccess: await lastAccessOf(this.store, ID),
      entries: await entriesOf(this.store),
    };
  }
}

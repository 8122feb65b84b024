import { assert } from "@std/assert";
import { decodeRecord, encodeRecord, userTag } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { sealRecord } from "../../src/manager/sealed_record.ts";
import { temporaryPath } from "../../src/directory/layout.ts";
import type { RecycledFile } from "../../src/directory/atomic_file.ts";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, requestOf, SEALING, SECRET } from "../constants.ts";
import { putEntry } from "../index_state.ts";
import { type Stage, START } from "./stage.ts";
import {
  firstRecord,
  type Opening,
  openWorld,
  ownRecord,
  recordsBeside,
  TOUCH_AFTER,
} from "./world.ts";

/** The stores of the actors: one each, as in processes of their own. */
export class Cast {
  readonly stage: Stage;
  readonly opening: Opening;
  /** Whether the records are sealed. */
  readonly isSealed: boolean;
  readonly #stores: Map<string, DirectorySessionStore>;

  constructor(
    stage: Stage,
    opening: Opening,
    stores: Map<string, DirectorySessionStore> = new Map(),
    isSealed = false,
  ) {
    this.stage = stage;
    this.opening = opening;
    this.isSealed = isSealed;
    this.#stores = stores;
  }

  /** The store of an actor; its setup runs before the play. */
  store(actor: string): DirectorySessionStore {
    let store = this.#stores.get(actor);
    if (store === undefined) {
      store = new DirectorySessionStore(this.stage.directory, {
        onWarning: () => {},
      });
      this.#stores.set(actor, store);
    }
    return store;
  }

  manager(
    actor: string,
    options: Partial<SessionManagerOptions> = {},
  ): SessionManager<{ list: string[] }> {
    return new SessionManager<{ list: string[] }>({
      store: this.store(actor),
      touchAfter: TOUCH_AFTER,
      now: () => system.now(),
      seal: this.isSealed,
      secrets: SEALING.secrets,
      ...options,
    });
  }

  /** What the session's file lists; `undefined` when there is no file. */
  list(): unknown {
    try {
      const bytes = Deno.readFileSync(`${this.stage.directory}/${ID}`);
      const record = decodeRecord(ID, bytes);
      return typeof record === "string" ? record : record.data.list;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** A request with a session's cookie. */
  request(token: string = ID + SECRET): Request {
    return requestOf(token);
  }

  /**
   * Puts a recycled file for an actor into the directory, old enough for a
   * cleanup to collect it. Opens and locks it, as a process does that has
   * replaced a file.
   */
  layRecycled(actor: string): RecycledFile {
    const { directory } = this.stage;
    const birth = START - 2 * 60 * 60_000;
    const random = actor.toLowerCase().repeat(32);
    const path = temporaryPath(directory, birth, random);
    const bytes = encodeRecord(ID, { ...ownRecord("recycled", "unused") });
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    const file = Deno.openSync(path, { read: true, write: true });
    assert(file.tryLockSync(true));
    return { path, file };
  }

  /** Empties the directory and puts there what the opening begins with. */
  async set(actors: readonly string[]): Promise<void> {
    const { stage, opening } = this;
    stage.clear();
    for (const actor of actors) await this.store(actor).setup();
    const marker = `${stage.directory}/.latchkey`;
    Deno.writeTextFileSync(marker, "");
    const { session } = openWorld(opening);
    if (session !== undefined) {
      const record = firstRecord(opening);
      const owner = { id: ID, secret: SECRET };
      const kept = this.isSealed ? sealRecord(record, owner, SEALING) : record;
      this.#lay(ID, kept, session.lastAccess);
    }
    for (const [id, record] of recordsBeside(opening)) {
      this.#lay(id, record, START);
    }
  }

  #lay(id: string, record: SessionRecord, lastAccess: number): void {
    const path = `${this.stage.directory}/${id}`;
    const bytes = encodeRecord(id, record, lastAccess);
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    if (record.user === undefined) return;
    const entry = { tag: userTag(record.user), id };
    putEntry(this.stage.directory, entry, new Date(START));
  }
}

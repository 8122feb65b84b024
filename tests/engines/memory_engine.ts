import type {
  EngineAccess,
  EngineRow,
  NewEngineRow,
  SessionEngine,
} from "../../src/engines/session_engine.ts";
import { EngineSessionStore } from "../../src/engines/engine_store.ts";

/** A store on an engine in memory. */
export class MemoryEngineStore extends EngineSessionStore {
  override readonly isMultiprocessSafe = false;
  override readonly isThreadSafe = false;
}

/** An engine in memory, which notes what it is asked and may answer late. */
export class MemoryEngine implements SessionEngine {
  /** What it was asked, in order. */
  readonly calls: string[] = [];
  /** Is awaited before each answer. */
  wait: (call: string) => Promise<void> | void = () => {};

  readonly #rows: Map<string, NewEngineRow>;

  /** @param other Whose rows it has, too: another connection to one engine. */
  constructor(other?: MemoryEngine) {
    this.#rows = other === undefined ? new Map() : other.#rows;
  }

  /** How many rows there are. */
  get size(): number {
    return this.#rows.size;
  }

  /** Gives what it was asked, and begins anew. */
  takeCalls(): string[] {
    return this.calls.splice(0);
  }

  async setup(): Promise<void> {
    await this.#note("setup");
  }

  async read(id: string): Promise<EngineRow | undefined> {
    await this.#note("read");
    return this.#rows.get(id);
  }

  async write(id: string, row: NewEngineRow): Promise<void> {
    await this.#note("write");
    this.#rows.set(id, row);
  }

  async replace(
    id: string,
    row: NewEngineRow,
    expected: EngineRow | undefined,
  ): Promise<boolean> {
    await this.#note("replace");
    if (this.#rows.get(id)?.revision !== expected?.revision) return false;
    this.#rows.set(id, row);
    return true;
  }

  async touch(
    id: string,
    access: EngineAccess,
    expected: EngineRow,
  ): Promise<boolean> {
    await this.#note("touch");
    const row = this.#rows.get(id);
    if (row === undefined || row.revision !== expected.revision) return false;
    this.#rows.set(id, { ...row, ...access });
    return true;
  }

  async remove(
    id: string,
    expected?: EngineRow,
  ): Promise<EngineRow | undefined> {
    await this.#note("remove");
    const row = this.#rows.get(id);
    const isIt = expected === undefined ||
      row?.revision === expected.revision &&
        row?.lastAccess === expected.lastAccess;
    if (!isIt) return undefined;
    this.#rows.delete(id);
    return row;
  }

  async *rows(
    tag: string | undefined,
  ): AsyncGenerator<readonly [id: string, row: EngineRow]> {
    await this.#note("rows");
    for (const [id, row] of [...this.#rows]) {
      if (tag === undefined || row.tag === tag) yield [id, row];
    }
  }

  async #note(call: string): Promise<void> {
    this.calls.push(call);
    await this.wait(call);
  }
}

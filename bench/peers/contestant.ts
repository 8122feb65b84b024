import type { JsonObject, SessionRecord } from "../../src/core/record.ts";
import type { Profile } from "../harness/benchmark.ts";
import type { Column } from "./protocol.ts";

/** What is kept for an ID in this race: it shows if it is whole, and its owner. */
export interface Value extends SessionRecord {
  /** The owner, a counter at both ends, and what a small shop keeps between them. */
  readonly data: JsonObject & {
    readonly first: number;
    readonly owner: string;
    readonly note: string;
    readonly last: number;
  };
}

/** Makes of what was found what is to be kept; throws when it is not whole. */
export type Change = (found: unknown) => Value;

/** A session that is there before something is measured. */
export interface Given {
  readonly id: string;
  readonly value: Value;
  readonly isExpired: boolean;
}

/**
 * A store as this race sees it. What a peer does not offer is left out, and its
 * column stays empty; only `update` is then put together of `load` and `save`,
 * as its users do. A synchronous peer answers without a promise.
 */
export interface Contestant {
  /** Returns what is kept, in the peer's words for "nothing" when there is none. */
  load(id: string): unknown;
  /** Also marks it accessed, each time. */
  touch?(id: string): unknown;
  /** Makes one that is not there, where `save` can only replace. */
  create?(id: string, value: Value): void | Promise<void>;
  /** Inserts or replaces. */
  save(id: string, value: Value): void | Promise<void>;
  /** Replaces what is there by what `change` makes of it, in one step. */
  update?(id: string, change: Change): void | Promise<void>;
  /** Makes very many; in a shorter way than `save` where there is one. */
  fill?(sessions: Iterable<Given>): void | Promise<void>;
  /**
   * Deletes all that are expired, with what it has for that. May return how many
   * milliseconds of it the deletions themselves took.
   */
  clean?(): void | number | Promise<void | number>;
  /** Counts all that it keeps, where that is not the number of files. */
  count?(): number;
  close?(): void | Promise<void>;
}

/** What the tables say of a contestant, and in what it takes part. */
export interface PeerProfile extends Profile {
  readonly runtimes: readonly Runtime[];
  /** All that it can, by default. */
  readonly columns?: readonly Column[];
  /** Works in the directory of the contestant of this name. */
  readonly beside?: string;
}

/** How a contestant is made. Nothing is loaded before `open`. */
export interface Adapter extends PeerProfile {
  /** Opens it in a directory that is there, in any number of processes. */
  open(directory: string): Contestant | Promise<Contestant>;
}

/** What executes a contestant. */
export type Runtime = "Deno" | "Node" | "PHP" | "Python";

import type { JsonObject, SessionRecord } from "../../src/core/record.ts";
import type { Column } from "./protocol.ts";

/** What is kept for an ID in this race: it tells whether it is whole, and whose. */
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
  /** It is to be one that the cleanup finds expired. */
  readonly isOver: boolean;
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
   * Deletes all that are over, with what it has for that. May tell how many
   * milliseconds of it the deletions themselves took.
   */
  clean?(): void | number | Promise<void | number>;
  /** Counts all that it keeps, where that is not the number of files. */
  count?(): number;
  /** Gives back what it holds. */
  close(): void | Promise<void>;
}

/** What the tables say of a contestant. */
export interface Profile {
  /** What the tables call it. */
  readonly name: string;
  /** `ours`, `floor`, or what it stands for. */
  readonly kind: "floor" | "ours" | "peer" | "database";
  /** What its users should know of how it was set up. */
  readonly note: string;
  /** Where it can run. */
  readonly runtimes: readonly Runtime[];
  /** The packages that it loads, each with its exact version. */
  readonly packages: Readonly<Record<string, string>>;
  /** What it takes part in, if not in all that it can. */
  readonly columns?: readonly Column[];
  /** Works in the directory of the contestant of this name. */
  readonly beside?: string;
}

/** How a contestant is made. Its module loads nothing before `open`. */
export interface Adapter extends Profile {
  /** Opens it in a directory that is there, in any number of processes. */
  open(directory: string): Contestant | Promise<Contestant>;
}

/** What executes a contestant. */
export type Runtime = "Deno" | "Node" | "PHP" | "Python";

/**
 * Loads a package: under Deno with an `npm:` specifier, under Node from the
 * installation that `node_installation.ts` makes. The specifier is put together
 * here, so that checking this repository downloads none of the peers.
 *
 * @typeParam T The part of the package that is used.
 * @param packages As in the adapter.
 * @param name One of them.
 * @param path A module in it, with its slash.
 */
export async function importPackage<T>(
  packages: Readonly<Record<string, string>>,
  name: string,
  path = "",
): Promise<T> {
  const specifier = "Deno" in globalThis
    ? `npm:${name}@${packages[name]}${path}`
    : name + path;
  return await import(specifier) as T;
}

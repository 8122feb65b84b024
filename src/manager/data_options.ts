import { checkNumber } from "../core/checks.ts";
import type { StandardSchema } from "./standard_schema.ts";
import {
  type TypesCodec,
  type ValueFormat,
  valueFormat,
} from "../session/value_format.ts";

/**
 * What data the sessions of a manager hold: what is valid, what happens to older
 * data, types that JSON lacks, and how large it may be.
 *
 * @example Data that a schema checks, with dates and bigints
 * ```ts
 * import { MemorySessionStore, SessionManager } from "@latchkey/session";
 * import * as devalue from "npm:devalue@6.0.3";
 * import { z } from "npm:zod@4.6.7";
 * import { assertEquals } from "@std/assert";
 *
 * const sessions = new SessionManager({
 *   store: new MemorySessionStore(),
 *   schema: z.object({ due: z.date().optional(), cents: z.bigint().optional() }),
 *   types: devalue,
 * });
 * const session = await sessions.open(new Request("http://localhost/"));
 * session.set("due", new Date(0));
 * session.set("cents", 995n, { ttl: 10 * 60 * 1000 });
 * const headers = new Headers();
 * await sessions.commit(session, headers);
 *
 * const cookie = headers.getSetCookie()[0]!.split(";")[0]!;
 * const next = new Request("http://localhost/", { headers: { cookie } });
 * assertEquals((await sessions.open(next)).get("due"), new Date(0));
 * ```
 */
export interface SessionDataOptions {
  /**
   * Tells which data is valid: any Standard Schema (Zod, Valibot, ArkType, …)
   * for the object of all keys and values. Data is checked when a session is
   * opened and, as a commit would leave it, inside the commit; a commit that
   * would leave invalid data throws `SessionDataError` and writes nothing. Data
   * is only checked: the output of the schema, such as defaults, is not used.
   * Empty data is always valid; keys that may be missing, deleted or expired are
   * optional in the schema. A schema that answers with a promise is refused with
   * a `TypeError`.
   *
   * @default {undefined} all data is valid
   */
  readonly schema?: StandardSchema | undefined;
  /**
   * The version of the data, a whole number from 0 up. Every commit notes it in
   * the record; a record without one is of version 0.
   *
   * @default {0}
   */
  readonly version?: number | undefined;
  /**
   * Makes data of this version from data of an older one, which is not empty. It
   * is synchronous, depends on nothing else and may be called again: on load,
   * for the request, and at the next commit, which keeps the result. Without it
   * older data is used as it is.
   *
   * @default {undefined}
   */
  readonly migrate?:
    | ((
      old: Record<string, unknown>,
      fromVersion: number,
    ) => Record<string, unknown>)
    | undefined;
  /**
   * What happens to a request whose session holds data that cannot be used,
   * also after `migrate`: `"new"`, it gets a new session, as for an unknown
   * cookie, and `onEvent` is called; `"throw"`, `open` throws `SessionDataError`.
   *
   * @default {"new"}
   */
  readonly onInvalid?: "new" | "throw" | undefined;
  /**
   * Keeps what JSON cannot hold: a module such as `npm:devalue`. `Date`, `Map`,
   * `Set`, `bigint`, `URL`, `Uint8Array` and other types that it knows are then
   * values like any other. What JSON can hold is stored as JSON in any case.
   * A manager of data with such a type, `SessionManager<{ due: Date }>`, does
   * not compile without it.
   *
   * @default {undefined} JSON only
   */
  readonly types?: TypesCodec | undefined;
  /**
   * How large data, flash and form tokens of a session may be together, in
   * bytes of their JSON. A commit that would make them larger throws
   * `SessionTooLargeError` and writes nothing. Members of the record that this
   * version does not know count, too.
   *
   * @default {65536} or 4 KiB less than the store takes, if that is less; of that
   * three quarters with `seal`
   */
  readonly maxBytes?: number | undefined;
}

/**
 * Requires the option `types` where a key is declared to hold what JSON cannot.
 * What lies deeper, in an object or an array, is refused when it is set. A
 * function that makes managers of any data has to take its options as
 * `SessionManagerOptions & SchemaOf<Data> & TypesOf<Data>`.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 */
export type TypesOf<Data> = {
  [Key in keyof Data]-?: unknown extends Data[Key] ? never
    : Extract<
      Data[Key],
      | bigint
      | Date
      | RegExp
      | URL
      | ArrayBuffer
      | ArrayBufferView
      | ReadonlyMap<unknown, unknown>
      | ReadonlySet<unknown>
    >;
}[keyof Data] extends never ? unknown : { readonly types: TypesCodec };

/** The same, checked and completed, as far as it decides what a record holds. */
export interface DataSettings {
  readonly schema: StandardSchema | undefined;
  readonly version: number;
  readonly migrate: SessionDataOptions["migrate"];
  readonly format: ValueFormat;
  readonly maxBytes: number;
}

const ACT = "Cannot manage sessions:";
const LARGEST = 64 * 1024;

/**
 * Checks the options on data and completes them.
 *
 * @param options The options.
 * @param largest How many bytes of data the store takes.
 * @throws {TypeError} If one of them is not of its type.
 * @throws {RangeError} If a number is out of bounds.
 */
export function resolveDataOptions(
  options: SessionDataOptions,
  largest: number,
): DataSettings {
  const { schema, version = 0, migrate, onInvalid = "new" } = options;
  const { types, maxBytes = Math.min(LARGEST, largest) } = options;
  const standard = schema?.["~standard"];
  const isSchema = schema === undefined ||
    (standard?.version === 1 && typeof standard.validate === "function");
  check(isSchema, "schema is not a Standard Schema of version 1");
  check(
    ["function", "undefined"].includes(typeof migrate),
    "migrate is not a function",
  );
  check(
    onInvalid === "new" || onInvalid === "throw",
    'onInvalid is neither "new" nor "throw"',
  );
  const isCodec = types === undefined ||
    (typeof types?.stringify === "function" &&
      typeof types.parse === "function");
  check(isCodec, "types has no stringify and parse");
  checkNumber(version, `${ACT} version`, { isWhole: true });
  checkNumber(maxBytes, `${ACT} maxBytes`, { least: 1 });
  return { schema, version, migrate, format: valueFormat(types), maxBytes };
}

function check(isValid: boolean, problem: string): void {
  if (!isValid) throw new TypeError(`${ACT} ${problem}`);
}

/*
 * A schema may be of any validator that implements Standard Schema, version 1
 * (https://standardschema.dev): Zod, Valibot, ArkType and others. Its types are
 * declared here again, as the specification suggests, so nothing is imported.
 */
import { SessionDataError } from "../core/errors.ts";
import { describe } from "../session/json_value.ts";

/** What a validator found: the value fits, or where it does not. */
export interface SchemaResult {
  /** What does not fit; `undefined` when all does. */
  readonly issues?:
    | readonly {
      /** The path to it: keys, or objects that hold one. */
      readonly path?:
        | readonly (PropertyKey | { readonly key: PropertyKey })[]
        | undefined;
    }[]
    | undefined;
}

/** A validator by Standard Schema, version 1, as far as it is used here. */
export interface StandardSchema {
  /** The members of the specification. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** The name of the validator. */
    readonly vendor: string;
    /** Checks a value. A promise is refused: a commit cannot wait for it. */
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
  };
}

/**
 * What a manager learns the type of its data from.
 *
 * @typeParam Data What fits the schema.
 */
export interface SchemaOf<Data> {
  /** See {@linkcode SessionDataOptions.schema}. */
  readonly schema?: {
    /** The members of the specification. */
    readonly "~standard": {
      /** The version of the specification. */
      readonly version: 1;
      /** The types, for the compiler alone. */
      readonly types?: { readonly input: Data } | undefined;
    };
  } | undefined;
}

const MOST_PATHS = 10;

/**
 * Checks the data of a session. Empty data always fits: a session may have a
 * user, or a form token, and nothing else.
 *
 * @param schema The validator.
 * @param data The data.
 * @param sessionId The session ID.
 * @throws {SessionDataError} If it does not fit, or the validator threw.
 * @throws {TypeError} If the validator answers with a promise.
 */
export function checkData(
  schema: StandardSchema,
  data: object,
  sessionId: string,
): void {
  if (Object.keys(data).length === 0) return;
  const issues = findIssues(schema, data, sessionId);
  if (issues === undefined) return;
  const paths = issues.map(({ path = [] }) =>
    path.map((step) => {
      const key = typeof step === "object" ? step.key : step;
      return typeof key === "symbol" ? String(key) : key;
    })
  );
  const places = paths.slice(0, MOST_PATHS).map(describe).join(", ");
  const more = paths.length > MOST_PATHS ? ", …" : "";
  throw new SessionDataError(
    sessionId,
    `it does not fit the schema at ${places}${more}`,
    { paths },
  );
}

function findIssues(
  schema: StandardSchema,
  data: object,
  sessionId: string,
): SchemaResult["issues"] {
  let result: SchemaResult | Promise<SchemaResult>;
  try {
    result = schema["~standard"].validate(data);
  } catch (cause) {
    throw new SessionDataError(sessionId, "the schema threw", { cause });
  }
  if (!(result instanceof Promise)) return result.issues;
  // Nothing waits for it, and a rejection must not end the process.
  result.catch(() => {});
  throw new TypeError(
    "Cannot check the data of a session: the schema answers with a promise, and a commit cannot wait for it",
  );
}

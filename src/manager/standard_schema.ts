/*
 * Any validator will do that speaks Standard Schema, version 1
 * (https://standardschema.dev): Zod, Valibot, ArkType and others. Its types are
 * said here again, as that specification asks for, so nothing is imported.
 */
import { SessionDataError } from "../core/errors.ts";
import { describe } from "../session/json_value.ts";

/** What a validator found: a value that fits, or what does not. */
export interface SchemaResult {
  /** What does not fit; `undefined` when all does. */
  readonly issues?: readonly SchemaIssue[] | undefined;
}

/** One thing that does not fit. */
export interface SchemaIssue {
  /** The way there: keys, or objects that hold one. */
  readonly path?:
    | readonly (PropertyKey | { readonly key: PropertyKey })[]
    | undefined;
}

/** A validator by Standard Schema, version 1, as far as it is used here. */
export interface StandardSchema {
  /** The members of the specification. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** Whose validator it is. */
    readonly vendor: string;
    /** Checks a value. A promise is refused: nothing can wait for it. */
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
 * Checks the data of a session. Data that holds nothing always fits: a session
 * that only has a user, or a form token, is nobody's mistake.
 *
 * @param schema The validator, if there is one.
 * @param data The data.
 * @param sessionId Whose it is.
 * @throws {SessionDataError} If it does not fit, or the validator threw.
 * @throws {TypeError} If the validator answers with a promise.
 */
export function checkData(
  schema: StandardSchema | undefined,
  data: object,
  sessionId: string,
): void {
  if (schema === undefined || Object.keys(data).length === 0) return;
  const issues = findIssues(schema, data, sessionId);
  if (issues === undefined) return;
  const paths = issues.map(toPath);
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
): readonly SchemaIssue[] | undefined {
  let result: SchemaResult | Promise<SchemaResult>;
  try {
    result = schema["~standard"].validate(data);
  } catch (cause) {
    throw new SessionDataError(sessionId, "the schema threw", { cause });
  }
  if (!(result instanceof Promise)) return result.issues;
  // It has come too late, and must not end the process if it is a rejection.
  result.catch(() => {});
  throw new TypeError(
    "Cannot check the data of a session: the schema answers with a promise, and a commit cannot wait for it",
  );
}

function toPath({ path = [] }: SchemaIssue): (string | number)[] {
  return path.map((step) => {
    const key = typeof step === "object" ? step.key : step;
    return typeof key === "symbol" ? String(key) : key;
  });
}

/*
 * Where an operation is told: its name, what came of it, and how long it took.
 * `onOperation`, the spans and the metrics all come from here; where the
 * application asked for none of them, nothing is measured.
 *
 * No ID, secret, user or data goes into spans and metrics: of an error its class,
 * since the message of ours has the ID, and that of a driver may quote a record.
 */
import {
  SessionConflictError,
  SessionGoneError,
  SessionLockTimeoutError,
  SessionRevokedError,
  SessionStoreTimeoutError,
} from "../core/errors.ts";
import { callListener } from "../core/listener.ts";
import type { ManagedStore } from "./bounded_store.ts";

/**
 * Something that was done, and what came of it.
 *
 * | name | outcome |
 * | --- | --- |
 * | `open` | `hit`; `none`: no token; `miss`, `expired`, `wrong_secret`, `reused`, `revoked`, `unopenable`, `invalid`, `ambiguous`, `unproven`, `skipped`: a new session, see {@linkcode SessionCounters} |
 * | `commit` | `committed`, `merged`, `unchanged`, `refused`, `conflict`, `revoked` |
 * | `cleanup` | `done`, `partial`: it took `maxSeconds`; `busy`: another one is at work |
 * | `store load` | `hit`, `touched`, `miss`, `expired` |
 * | `store create` | `created`, `taken` |
 * | `store update` | `updated`, `unchanged`, `deleted`, `miss`, `conflict` |
 * | `store delete` | `deleted`, `miss` |
 * | `store has` | `hit`, `miss` |
 * | `store entries` | `listed` |
 * | `store lock` | `locked`, `busy` |
 * | any, when it failed | `timeout`: the store did not answer; `busy`: a lock did not become free; `error` |
 *
 * A commit that has nothing to write is none. A later version may have more.
 */
export interface SessionOperation {
  /** What was done. */
  readonly name: string;
  /** What came of it. */
  readonly outcome: string;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** What it threw, if it failed. */
  readonly error?: unknown;
}

/**
 * Where operations are told. A tracer and a meter are those of
 * `npm:@opentelemetry/api`, or have these methods.
 */
export interface ObservationOptions {
  /**
   * Is called after each operation, before its caller goes on. What it throws, or
   * rejects with, goes to `console.error` and changes nothing else.
   *
   * @default {undefined}
   */
  readonly onOperation?: ((operation: SessionOperation) => void) | undefined;
  /**
   * Makes a span of each operation, as in `trace.getTracer("sessions")`.
   *
   * @default {undefined}
   */
  readonly tracer?: {
    startActiveSpan<T>(
      name: string,
      act: (span: {
        setAttributes(attributes: Record<string, string>): unknown;
        setStatus(status: { code: number }): unknown;
        end(): void;
      }) => T,
    ): T;
  } | undefined;
  /**
   * Makes histograms of how long operations take, by outcome, as in
   * `metrics.getMeter("sessions")`.
   *
   * @default {undefined}
   */
  readonly meter?: {
    createHistogram(name: string, options: {
      description: string;
      unit: string;
      advice: { explicitBucketBoundaries: number[] };
    }): { record(value: number, attributes: Record<string, string>): void };
  } | undefined;
}

/** What is told of. */
type Name = "open" | "commit" | "cleanup" | `store ${keyof ManagedStore}`;

/** Does something, and tells what came of it. */
export type Observe = <T>(
  name: Name,
  act: () => Promise<T>,
  outcomeOf: (result: T) => string,
) => Promise<T>;

type Tracer = NonNullable<ObservationOptions["tracer"]>;
type Meter = NonNullable<ObservationOptions["meter"]>;
type Span = Parameters<Parameters<Tracer["startActiveSpan"]>[1]>[0];

/** `SpanStatusCode.ERROR` */
const ERROR = 2;
/** In seconds. A load from a directory takes 20 µs, a lock may take 5 s. */
const BUCKETS = [
  ...[0.0001, 0.0005, 0.001, 0.005, 0.01],
  ...[0.05, 0.1, 0.5, 1, 5, 10],
];
const DESCRIPTIONS = {
  open: "Duration of opening the session of a request.",
  commit: "Duration of committing what a request did to its session.",
  cleanup: "Duration of a cleanup of the session store.",
  store: "Duration of a call of the session store.",
};
const PREFIX = "latchkey.session";

/** What an operation that threw one of these came to; `"error"` for others. */
const OUTCOMES = [
  [SessionGoneError, "refused"],
  [SessionConflictError, "conflict"],
  [SessionRevokedError, "revoked"],
  [SessionLockTimeoutError, "busy"],
  [SessionStoreTimeoutError, "timeout"],
] as const;

/**
 * Makes what operations go through.
 *
 * @returns `undefined` when nothing listens.
 */
export function observerOf(
  { onOperation, tracer, meter }: ObservationOptions,
): Observe | undefined {
  if (!onOperation && !tracer && !meter) return undefined;
  const record = meter && recorderOf(meter);
  const observe = async <T>(
    name: Name,
    act: () => Promise<T>,
    outcomeOf: (result: T) => string,
    span?: Span,
  ): Promise<T> => {
    const start = performance.now();
    const tell = (outcome: string, failure?: { error: unknown }) => {
      const milliseconds = performance.now() - start;
      const operation = { name, outcome, milliseconds, ...failure };
      callListener(() => {
        const attributes = attributesOf(operation);
        record?.(operation, attributes);
        if (span !== undefined) endSpan(span, operation, attributes);
        return onOperation?.(operation);
      }, `Cannot tell of the operation "${name}":`);
    };
    let result: T;
    try {
      result = await act();
    } catch (error) {
      const [, outcome = "error"] = OUTCOMES.find(([type]) =>
        error instanceof type
      ) ?? [];
      tell(outcome, isFailure(error) ? { error } : undefined);
      throw error;
    }
    tell(outcomeOf(result));
    return result;
  };
  if (!tracer) return observe;
  return <T>(
    name: Name,
    act: () => Promise<T>,
    outcomeOf: (result: T) => string,
  ): Promise<T> => {
    let observed: Promise<T> | undefined;
    callListener(() => {
      tracer.startActiveSpan(
        `session ${name}`,
        (span) => observed = observe(name, act, outcomeOf, span),
      );
    }, `Cannot trace the operation "${name}":`);
    return observed ?? observe(name, act, outcomeOf);
  };
}

/** A lock that was only tried for may be held. */
function isFailure(error: unknown): boolean {
  return !(error instanceof SessionLockTimeoutError && error.timeout === 0);
}

function attributesOf(
  { name, outcome, error }: SessionOperation,
): Record<string, string> {
  const [, call] = name.split(" ");
  return {
    [`${PREFIX}.outcome`]: outcome,
    ...call !== undefined && { [`${PREFIX}.store.operation`]: call },
    ...error !== undefined && { "error.type": typeOf(error) },
  };
}

/** The class of an error; `_OTHER` is the conventions' word for what has none. */
function typeOf(error: unknown): string {
  return error instanceof Error ? error.name : "_OTHER";
}

function endSpan(
  span: Span,
  { error }: SessionOperation,
  attributes: Record<string, string>,
): void {
  span.setAttributes(attributes);
  if (error !== undefined) span.setStatus({ code: ERROR });
  span.end();
}

function recorderOf(
  meter: Meter,
): (operation: SessionOperation, attributes: Record<string, string>) => void {
  const histograms = new Map<string, ReturnType<Meter["createHistogram"]>>();
  return ({ name, milliseconds }, attributes) => {
    const [subject = ""] = name.split(" ");
    let histogram = histograms.get(subject);
    if (histogram === undefined) {
      histogram = meter.createHistogram(`${PREFIX}.${subject}.duration`, {
        description: DESCRIPTIONS[subject as keyof typeof DESCRIPTIONS],
        unit: "s",
        advice: { explicitBucketBoundaries: BUCKETS },
      });
      histograms.set(subject, histogram);
    }
    histogram.record(milliseconds / 1000, attributes);
  };
}

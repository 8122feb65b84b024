/** What OpenTelemetry exports to, as a real server. */

import { assertEquals } from "@std/assert";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

/** What is read here of OTLP as JSON. */
interface Span {
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceId: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number; readonly message: string };
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly histogram?: {
    readonly dataPoints: readonly {
      readonly attributes: readonly Attribute[];
      readonly count: string;
    }[];
  };
}

const SERVER = 2;
const OURS = "latchkey.session.";

/** Takes what is exported by OTLP over HTTP, as JSON. */
export class Collector implements AsyncDisposable {
  /** All that came, as text. */
  readonly bodies: string[] = [];
  readonly spans: Span[] = [];
  readonly metrics: Map<string, Metric> = new Map();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const body = await request.text();
        this.bodies.push(body);
        const { resourceSpans = [], resourceMetrics = [] } = JSON.parse(body);
        for (const { scopeSpans } of resourceSpans) {
          for (const { spans } of scopeSpans) this.spans.push(...spans);
        }
        for (const { scopeMetrics } of resourceMetrics) {
          for (const { metrics } of scopeMetrics) {
            // Each time all since the start.
            for (const one of metrics) this.metrics.set(one.name, one);
          }
        }
        return Response.json({});
      },
    );
  }

  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
    };
  }

  /** Says what each request of a path did, every span with those below it. */
  describe(path: string): unknown[] {
    const requests = this.spans.filter((span) =>
      span.kind === SERVER && attributeOf(span, "url.path") === path
    );
    return requests.sort(compareStarts).map((span) => this.#below(span));
  }

  /** How often operations came to what, by the attributes of a histogram. */
  countsOf(name: string): Record<string, number> {
    const { histogram, unit } = this.metrics.get(OURS + name)!;
    assertEquals(unit, "s");
    return Object.fromEntries(
      histogram!.dataPoints.map((point) => [
        ["store.operation", "outcome"].map((key) =>
          attributeOf(point, OURS + key)
        ).filter(Boolean).join(" "),
        Number(point.count),
      ]),
    );
  }

  #below(parent: Span): unknown[] {
    return this.spans.filter(({ parentSpanId }) =>
      parentSpanId === parent.spanId
    )
      .sort(compareStarts)
      .map((span) => {
        assertEquals(span.traceId, parent.traceId);
        const text = `${span.name}: ${attributeOf(span, `${OURS}outcome`)}`;
        const below = this.#below(span);
        return below.length === 0 ? text : [text, ...below];
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Returns a text among the attributes of a span or a value. */
export function attributeOf(
  { attributes }: { readonly attributes: readonly Attribute[] },
  name: string,
): string | undefined {
  return attributes.find(({ key }) => key === name)?.value.stringValue;
}

function compareStarts(one: Span, other: Span): number {
  return Number(
    BigInt(one.startTimeUnixNano) - BigInt(other.startTimeUnixNano),
  );
}

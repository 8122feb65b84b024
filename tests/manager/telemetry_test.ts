/** Spans and metrics, as Deno exports them to a collector. */

import { assert, assertEquals } from "@std/assert";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

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
class Collector implements AsyncDisposable {
  /** All that came, as text. */
  readonly bodies: string[] = [];
  readonly spans: Span[] = [];
  readonly metrics = new Map<string, Metric>();
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

  /** Says what was done for a path, each span with those below it. */
  describe(path: string): unknown {
    const root = this.spans.find((span) =>
      span.kind === SERVER && attributeOf(span, "url.path") === path
    );
    assert(root !== undefined, `no span of ${path}`);
    return this.#below(root);
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
      .sort((one, other) =>
        Number(
          BigInt(one.startTimeUnixNano) - BigInt(other.startTimeUnixNano),
        )
      )
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

function attributeOf(
  { attributes }: { readonly attributes: readonly Attribute[] },
  name: string,
): string | undefined {
  return attributes.find(({ key }) => key === name)?.value.stringValue;
}

Deno.test("a collector sees the trace of each request, and how often what happened", async () => {
  await using collector = new Collector();
  using directory = new TemporaryDirectory();
  await using server = spawn(
    "tests/manager/telemetry_server.ts",
    [directory.path],
    {
      paths: [directory.path],
      flags: ["--allow-net=127.0.0.1"],
      env: collector.env,
    },
  );
  const port = await server.readLine();
  const visit = async (path: string, cookie = "") => {
    const url = `http://127.0.0.1:${port}${path}`;
    const response = await fetch(url, { headers: { cookie } });
    await response.body!.cancel();
    return response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
  };
  const cookie = await visit("/begin");
  await visit("/visit", cookie);
  await visit("/look", cookie);
  const [id, secret] = [cookie.slice(-54, -22), cookie.slice(-22)];
  await visit("/wrong", `${cookie.slice(0, -22)}${"A".repeat(22)}`);
  await visit("/gone", cookie);
  await visit("/ended", cookie);
  const { code, stderr } = await server.end();
  assertEquals([code, stderr], [0, ""]);

  const create = ["session commit: committed", "session store create: created"];
  assertEquals(collector.describe("/begin"), ["session open: none", create]);
  assertEquals(collector.describe("/visit"), [
    ["session open: hit", "session store load: hit"],
    ["session commit: committed", "session store update: updated"],
  ]);
  assertEquals(collector.describe("/look"), [
    ["session open: hit", "session store load: hit"],
  ]);
  assertEquals(collector.describe("/wrong"), [
    ["session open: wrong_secret", "session store load: hit"],
    create,
  ]);
  assertEquals(collector.describe("/gone"), [
    ["session open: hit", "session store load: hit"],
    "session store delete: deleted",
    ["session commit: refused", "session store update: miss"],
  ]);
  assertEquals(collector.describe("/ended"), [
    ["session open: miss", "session store load: miss"],
    create,
  ]);
  const failed = collector.spans.filter(({ status }) => status.code === 2);
  assertEquals(
    failed.map((span) => [span.name, attributeOf(span, "error.type")]),
    [["session commit", "SessionGoneError"]],
  );

  assertEquals(collector.countsOf("open.duration"), {
    none: 1,
    hit: 3,
    wrong_secret: 1,
    miss: 1,
  });
  assertEquals(collector.countsOf("commit.duration"), {
    committed: 4,
    refused: 1,
  });
  assertEquals(collector.countsOf("store.duration"), {
    "load hit": 4,
    "load miss": 1,
    "create created": 3,
    "update updated": 1,
    "update miss": 1,
    "delete deleted": 1,
  });
  const all = collector.bodies.join();
  for (const hidden of [id, secret]) {
    assertEquals(all.includes(hidden), false, hidden);
  }
});

/** What `expressSessions()` leaves as it is in a response, and what it holds. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import compression from "npm:compression@1.8.2";
import connect from "npm:connect@3.7.0";
// @ts-types="npm:@types/express@5.0.6"
import express from "npm:express@5.3.0";
import {
  expressSessions,
  MemorySessionStore,
  SessionManager,
  type SessionRecord,
} from "../../mod.ts";
import { RawClient } from "../manager/raw_client.ts";
import { sessions } from "./examples/sessions.ts";
import { serveNode } from "./node_application.ts";
import { visit, type VisitSession } from "./parts.ts";
import { Visitor } from "./scenario.ts";

type Answer = (
  response: express.Response,
  request: express.Request,
) => unknown;

const SELF = new URL(import.meta.url).pathname;

/** Handlers that answer in every way that Node and Express have. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  "end with a text": (response) => response.end("text"),
  "end with nothing": (response) => response.end(),
  "end with a callback": (response) => {
    response.end("text", () => response.emit("ended"));
  },
  "write and end": (response) => {
    response.write("first ");
    response.write(new TextEncoder().encode("second "));
    response.end("last");
  },
  "write with an encoding": (response) => {
    response.write("6f", "hex");
    response.end("6b", "hex");
  },
  "writeHead with headers": (response) => {
    response.setHeader("x-one", "old");
    response.writeHead(201, { "x-one": "1", "set-cookie": ["a=1", "b=2"] });
    response.end("created");
  },
  "writeHead with a message and a list": (response) => {
    response.setHeader("x-zero", "0");
    response.writeHead(202, "Fine", ["X-One", "1", "X-Two", "2", "X-Two", "3"]);
    response.end("accepted");
  },
  "writeHead with a length": (response) => {
    response.writeHead(200, { "content-length": 4 }).end("text");
  },
  "a status that is changed too late": (response) => {
    response.statusCode = 201;
    response.write("created");
    response.statusCode = 404;
    response.end();
  },
  "a status message": (response) => {
    response.statusMessage = "Fine";
    response.end();
  },
  "flushHeaders": (response) => {
    response.flushHeaders();
    response.end("text");
  },
  "trailers": (response, { method }) => {
    // Node has none where there is no body, and throws.
    if (method === "HEAD") return response.end();
    response.setHeader("trailer", "x-sum");
    response.write("text");
    response.addTrailers({ "x-sum": "4" });
    response.end();
  },
  "send": (response) => response.send("text"),
  "json": (response) => response.status(418).json({ a: [1] }),
  "sendStatus": (response) => response.sendStatus(204),
  "sendFile": (response) => response.sendFile(SELF),
  "sendFile of a part": (response, request) => {
    request.headers.range = "bytes=3-30";
    response.sendFile(SELF);
  },
  "sendFile of what is not there": (response) =>
    response.sendFile(`${SELF}.no`),
  "download": (response) => response.download(SELF, "a name.ts"),
  "a stream": (response) => createReadStream(SELF).pipe(response),
  "not modified": (response, request) => {
    request.headers["if-none-match"] = '"e"';
    response.set("etag", '"e"').send("text");
  },
  "an error": () => {
    throw new Error("planned");
  },
  "an error after a header": (response) => {
    response.set("x-one", "1");
    throw new Error("planned");
  },
  "an error after a part": (response) => {
    response.write("first");
    throw new Error("planned");
  },
  "an answer of what is no text": (response) => response.write(7 as never),
  "an end with what is no text": (response) => response.end(7 as never),
  "a wrong status": (response) => response.writeHead(42),
  "two answers": (response) => {
    response.send("first");
    response.status(404).send("second");
  },
  "two ends": (response) => {
    response.end("first");
    response.end();
  },
  "a header that is set too late": (response) => {
    response.write("first");
    const problems = [
      () => response.setHeader("x-late", "1"),
      () => response.appendHeader("x-late", "1"),
      () => response.removeHeader("x-late"),
      () => response.writeHead(404),
    ].map((act) => {
      try {
        return act();
      } catch (error) {
        return (error as { code?: string }).code;
      }
    });
    response.end(problems.join());
  },
  "what it says of itself": (response) => {
    const says: boolean[] = [response.headersSent, response.writableEnded];
    response.once("finish", () => {});
    response.write("first ");
    says.push(response.headersSent, response.writableEnded);
    response.end(says.join());
  },
};

for (const [name, answer] of Object.entries(ANSWERS)) {
  for (const method of ["GET", "HEAD"]) {
    Deno.test(`expressSessions() leaves a response as it is: ${name}, ${method}`, async () => {
      const [without, plain, changed] = await Promise.all(
        (["without", "plain", "changed"] as const).map(async (kind) => {
          const app = makeQuietApp();
          if (kind !== "without") app.use(expressSessions(sessions));
          app.get("/", (request, response) => {
            if (kind === "changed") visit(request.session);
            return answer(response, request);
          });
          app.use(answerQuietly);
          await using server = await serveNode(app);
          return await askRaw(server.url, method);
        }),
      );
      assertEquals(plain, without);
      assertEquals(withoutSession(changed!), withoutSession(without!));
      const isKept = /^HTTP\/1\.1 [1-4]/.test(without!);
      assertEquals(changed!.includes("latchkey="), isKept);
    });
  }
}

Deno.test("expressSessions() sends nothing until the store has answered", async () => {
  for (const begin of ["write", "end", "flushHeaders"] as const) {
    const store = new SlowStore();
    const held = Promise.withResolvers<express.Response>();
    const app = makeQuietApp();
    app.use(expressSessions(new SessionManager({ store })));
    app.get("/", (request, response) => {
      visit(request.session);
      if (begin === "flushHeaders") response.flushHeaders();
      else response[begin]("text");
      held.resolve(response);
    });
    await using server = await serveNode(app);
    const { port } = new URL(server.url);
    await using client = await RawClient.connect(Number(port));
    await client.ask("GET /");
    const response = await held.promise;
    await store.called;
    assert(response.headersSent);
    assertEquals(client.received, "", begin);
    store.release();
    const { headers } = await client.head();
    assertEquals(headers.getSetCookie().length, 1, begin);
    response.end();
  }
});

Deno.test("expressSessions() has a stream wait until the store has answered, and sends all of it", async () => {
  const size = 3_000_000;
  const store = new SlowStore();
  let produced = 0;
  function* produce(): Generator<Uint8Array> {
    for (; produced < size; produced += 10_000) yield new Uint8Array(10_000);
  }
  const app = makeQuietApp();
  app.use(expressSessions(new SessionManager({ store })));
  app.get("/", (request, response) => {
    visit(request.session);
    Readable.from(produce(), { objectMode: false }).pipe(response);
  });
  await using server = await serveNode(app);
  const asking = fetch(server.url);
  await store.called;
  // Whole other requests, in which more would be produced.
  for (const _ of [1, 2, 3]) await (await fetch(`${server.url}/no`)).text();
  assert(produced <= 200_000, String(produced));
  store.release();
  const bytes = await (await asking).arrayBuffer();
  assertEquals(bytes.byteLength, size);
});

Deno.test("expressSessions() saves the request of a client that has disconnected", async () => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const app = makeQuietApp();
  app.use(expressSessions(sessions));
  app.get("/visit", (request, response) => {
    response.send(`Visit ${visit(request.session)}`);
  });
  app.get("/slow", async (request, response) => {
    begun.resolve();
    await once(response, "close");
    visit(request.session);
    response.end("late");
    ended.resolve();
  });
  await using server = await serveNode(app);
  const visitor = new Visitor(server.url);
  await visitor.get("/visit");
  const { port } = new URL(server.url);
  const client = await RawClient.connect(Number(port));
  await client.ask("GET /slow", `cookie: ${visitor.cookie}`);
  await begun.promise;
  await client[Symbol.asyncDispose]();
  await ended.promise;
  assertEquals((await visitor.get("/visit")).text, "Visit 3");
});

Deno.test("expressSessions() closes the connection if the commit fails after a part of the body was written", async () => {
  const store = new SlowStore(new Error("disk full"));
  const errors: unknown[] = [];
  const app = makeQuietApp();
  app.use(expressSessions(new SessionManager({ store })));
  app.get("/", (request, response) => {
    visit(request.session);
    response.write("first");
  });
  const noteError: express.ErrorRequestHandler = (error, _, __, next) => {
    errors.push(error);
    next(error);
  };
  app.use(noteError, answerQuietly);
  await using server = await serveNode(app);
  store.release();
  await assertRejects(() => fetch(server.url), TypeError);
  assertEquals(errors.map(String), ["Error: disk full"]);
});

Deno.test("expressSessions() hands an error of the store to the error handlers, with the response as it was", async () => {
  const store = new SlowStore(new Error("disk full"));
  store.release();
  const app = makeQuietApp();
  app.use((_request, response, next) => {
    response.set("x-before", ["1", "2"]);
    next();
  });
  app.use(expressSessions(new SessionManager({ store })));
  app.get("/", (request, response) => {
    visit(request.session);
    response.cookie("own", "1").set("x-own", "1").status(201).send("created");
  });
  app.use(answerQuietly);
  await using server = await serveNode(app);
  const response = await fetch(server.url);
  assertEquals([response.status, await response.text()], [500, "disk full"]);
  assertEquals(response.headers.getSetCookie(), []);
  assertEquals(response.headers.get("x-own"), null);
  assertEquals(response.headers.get("x-before"), "1, 2");
});

for (const place of ["before", "after"]) {
  Deno.test(`expressSessions() works with compression ${place} it`, async () => {
    const app = makeQuietApp();
    if (place === "before") app.use(compression({ threshold: 0 }));
    app.use(expressSessions(sessions));
    if (place === "after") app.use(compression({ threshold: 0 }));
    app.get("/", (request, response) => {
      visit(request.session);
      response.send("text ".repeat(1000));
    });
    app.get("/file", (request, response) => {
      visit(request.session);
      // Else it is taken for a video, which is not compressed.
      response.type("text").sendFile(SELF);
    });
    await using server = await serveNode(app);
    const text = await Deno.readTextFile(SELF);
    for (const [path, body] of [["/", "text ".repeat(1000)], ["/file", text]]) {
      const answer = await fetch(`${server.url}${path}`, {
        headers: { "accept-encoding": "gzip" },
      });
      assertEquals(answer.headers.getSetCookie().length, 1);
      assert(/accept-encoding/i.test(answer.headers.get("vary")!));
      assert(/cookie/i.test(answer.headers.get("vary")!));
      assertFalse(answer.headers.has("content-length"));
      assertEquals(await answer.text(), body);
    }
  });
}

Deno.test("expressSessions() gives two managers a session each", async () => {
  const cookie = { name: "other" };
  const store = new MemorySessionStore();
  const others = new SessionManager<{ visits: number }>({ store, cookie });
  const app = makeQuietApp();
  app.use(expressSessions(others));
  app.use((request, _response, next) => {
    visit(request.session);
    next();
  });
  app.use(expressSessions(sessions));
  app.get("/", (request, response) => {
    response.send(`Visit ${visit(request.session)}`);
  });
  await using server = await serveNode(app);
  const visitor = new Visitor(server.url);
  const { cookies } = await visitor.get("/");
  assertEquals(cookies.length, 2);
  assertEquals((await visitor.get("/")).text, "Visit 2");
});

Deno.test("expressSessions() works in Connect", async () => {
  const app = connect();
  app.use(expressSessions(sessions));
  type Request = IncomingMessage & { session?: VisitSession };
  app.use("/throw", (request: Request) => {
    visit(request.session!);
    throw new Error("planned");
  });
  app.use("/visit", (request: Request, response: ServerResponse) => {
    response.end(`Visit ${visit(request.session!)}`);
  });
  app.use((
    _error: unknown,
    _request: IncomingMessage,
    response: ServerResponse,
    _next: unknown,
  ) => {
    response.statusCode = 500;
    response.end();
  });
  await using server = await serveNode(app);
  const visitor = new Visitor(server.url);
  const failed = await visitor.get("/throw");
  assertEquals([failed.status, failed.cookies], [500, []]);
  assertEquals((await visitor.get("/visit")).text, "Visit 1");
  assertEquals((await visitor.get("/throw")).status, 500);
  assertEquals((await visitor.get("/visit")).text, "Visit 2");
  assertEquals((await visitor.get("/nowhere")).status, 404);
});

/** A store that keeps a new session only when it is told to. */
class SlowStore extends MemorySessionStore {
  readonly #failure: Error | undefined;
  readonly #called = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();

  constructor(failure?: Error) {
    super();
    this.#failure = failure;
  }

  /** Fulfilled when a session is to be created. */
  get called(): Promise<void> {
    return this.#called.promise;
  }

  release(): void {
    this.#released.resolve();
  }

  override async create(id: string, record: SessionRecord): Promise<boolean> {
    this.#called.resolve();
    await this.#released.promise;
    if (this.#failure !== undefined) throw this.#failure;
    return await super.create(id, record);
  }
}

/** An application that does not log its errors. */
function makeQuietApp(): express.Express {
  return express().set("env", "test");
}

/** Answers an error with its code. */
function answerQuietly(
  error: { status?: number; code?: string; message: string },
  _request: express.Request,
  response: express.Response,
  next: express.NextFunction,
): void {
  if (response.headersSent) return next(error);
  response.status(error.status ?? 500).send(error.code ?? error.message);
}

/** Asks for `/` and takes all that comes, but for the date. */
async function askRaw(url: string, method: string): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const writer = connection.writable.getWriter();
  const head = `${method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
  await writer.write(new TextEncoder().encode(head));
  const text = await new Response(connection.readable).text();
  return text.replace(/^date: .*\r\n/im, "");
}

function withoutSession(text: string): string {
  return text.replace(/^(?:set-cookie: latchkey=|vary: cookie).*\r\n/gim, "")
    .replace(/^cache-control: .*\r\n/im, "");
}

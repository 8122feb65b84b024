import type { OpenOptions } from "../manager/isolation.ts";
import type { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";
import { sessionRequestOf } from "./node_request.ts";
import { type HeaderValues, ResponseHead } from "./response_head.ts";

/** A response of `node:http`. */
type NodeResponse = Parameters<ReturnType<typeof expressSessions>>[1];

/** Its methods that change headers. */
const HEADER_METHODS = [
  "setHeader",
  "setHeaders",
  "appendHeader",
  "removeHeader",
] as const;

/**
 * Makes a middleware for Express 5, Connect and what else is made for
 * `node:http`: `app.use(expressSessions(sessions))`. What comes after it has the
 * session as `request.session`.
 *
 * The session is committed when the response begins: with its first `write`,
 * `end` or `flushHeaders`. What is to be sent waits until the store has
 * answered, and a stream that writes it waits for `"drain"`. Nothing is kept of a request
 * whose response has a status of 500 or more. An error that the application's
 * error handler answers with less is an answer like any other.
 *
 * An error of the commit goes to the error handlers of the application, which
 * find the response as it was before the request was handled. If a part of its body
 * was written already, the connection is closed.
 *
 * A request is over when its response begins, also if the client has
 * disconnected; a handler that then answers nothing keeps nothing, and an
 * `exclusive` session stays locked.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param options How the session of each of its requests is opened.
 * @returns The middleware. Express is told the type of `request.session` by a
 * declaration of the application's own.
 *
 * @example A counter
 * ```ts ignore
 * import express from "npm:express@5";
 * import { expressSessions, type SessionOf } from "@latchkey/session";
 *
 * declare global {
 *   namespace Express {
 *     interface Request {
 *       session: SessionOf<typeof sessions>;
 *     }
 *   }
 * }
 *
 * const app = express();
 * app.use(expressSessions(sessions));
 * app.get("/", (request, response) => {
 *   const visits = request.session.update("visits", (n = 0) => n + 1);
 *   response.send(`Visit ${visits}`);
 * });
 *
 * app.listen(8000);
 * ```
 */
export function expressSessions<Data extends object>(
  sessions: SessionManager<Data>,
  options?: OpenOptions,
): (
  request: {
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    readonly method?: string | undefined;
    readonly url?: string | undefined;
    readonly originalUrl?: string | undefined;
    readonly socket: object;
    session?: Session<Data>;
  },
  response: {
    statusCode: number;
    statusMessage: string;
    getHeaders(): Readonly<
      Record<string, number | string | readonly string[] | undefined>
    >;
    readonly headersSent: boolean;
    setHeader(name: string, value: number | string | string[]): unknown;
    setHeaders(headers: Headers): unknown;
    appendHeader(name: string, value: string): unknown;
    removeHeader(name: string): unknown;
    writeHead(...args: never[]): unknown;
    write(...args: never[]): boolean;
    end(...args: never[]): unknown;
    flushHeaders(): void;
    destroy(): unknown;
    once(event: "close", listener: () => void): unknown;
    on(event: "drain", listener: () => void): unknown;
    addListener(event: "drain", listener: () => void): unknown;
  },
  next: (error?: unknown) => void,
) => void {
  return (request, response, next) => {
    let held: HeldResponse | undefined;
    const handle = (session: Session<Data>) => {
      request.session = session;
      held = new HeldResponse(response);
      next();
      return held.head;
    };
    sessions.run(sessionRequestOf(request, response), handle, options)
      .then((answer) => {
        // Without a call of `handle` it is the manager's own.
        return held === undefined
          ? send(response, answer)
          : held.release(answer);
      })
      .catch((error) => {
        held?.giveUp();
        next(error);
      });
  };
}

/** Sends what the manager itself has answered. */
async function send(response: NodeResponse, answer: Response): Promise<void> {
  response.statusCode = answer.status;
  response.setHeaders(answer.headers);
  Reflect.apply(response.end, response, [await answer.text()]);
}

/** Calls a method of a response as it was, with the same arguments or others. */
type Send = (args?: readonly unknown[]) => unknown;

/** Keeps a response from being sent until it is known what is to be added. */
class HeldResponse {
  readonly #response: NodeResponse;
  readonly #statusBefore: number;
  readonly #headersBefore: HeaderValues;
  readonly #begun = Promise.withResolvers<Response>();
  /** What sends the response, in the order of the application. */
  #calls: (() => unknown)[] = [];
  /** What goes on when there is room again. */
  #drains: (() => void)[] = [];
  #phase: "open" | "held" | "released" = "open";
  /** Both are missing until it is held. */
  #status: number | undefined;
  #head: ResponseHead | undefined;
  #isHeadImplicit = false;
  #isEnded = false;

  constructor(response: NodeResponse) {
    this.#response = response;
    this.#statusBefore = response.statusCode;
    this.#headersBefore = response.getHeaders();
    this.#wrap("writeHead", (args, send) => this.#holdHead(args, send));
    this.#wrap("write", (args, send) => {
      if (!isChunk(args[0])) return send();
      this.#hold(send);
      return false;
    });
    this.#wrap("end", (args, send) => {
      const [chunk] = args;
      const isEmpty = chunk === undefined || chunk === null ||
        typeof chunk === "function";
      if (!isEmpty && !isChunk(chunk)) return send();
      this.#hold(send);
      this.#isEnded = true;
      return response;
    });
    this.#wrap("flushHeaders", (_args, send) => this.#hold(send));
    for (const name of HEADER_METHODS) {
      this.#wrap(name, (_args, send) => {
        if (this.#phase === "held") throw makeSentError(name);
        return send();
      });
    }
    for (const name of ["on", "addListener"] as const) {
      this.#wrap(name, ([event, listener], send) => {
        const drain = () => Reflect.apply(listener as () => void, response, []);
        if (event === "drain") this.#drains.push(drain);
        return send();
      });
    }
    this.#shadow("headersSent", () => this.#phase === "held");
    this.#shadow("writableEnded", () => {
      return this.#phase === "held" && this.#isEnded;
    });
  }

  /** The head of the response, once it is to be sent. */
  get head(): Promise<Response> {
    return this.#begun.promise;
  }

  /** Sends what was held, with what the manager has added to the head. */
  release(answer: Response): void {
    const response = this.#response;
    response.statusCode = this.#status!;
    const [calls, drains] = [this.#calls, this.#drains];
    this.#drop();
    for (const [name, value] of this.#head!.added(answer)) {
      if (name === "set-cookie") response.appendHeader(name, value);
      else response.setHeader(name, value);
    }
    let result: unknown;
    for (const call of calls) result = call();
    // Each `write` was answered that there is no room. Not by an event: what
    // compresses hears that of the response's instead.
    if (result !== false) { for (const drain of drains) drain(); }
  }

  #drop(): void {
    this.#phase = "released";
    this.#calls = [];
    this.#drains = [];
  }

  /** Drops what was held: an error is to be answered. */
  giveUp(): void {
    const response = this.#response;
    const isBegun = this.#phase !== "open";
    this.#drop();
    if (!isBegun) return;
    // What writes the rest of it cannot be told from what answers the error.
    if (!this.#isEnded || response.headersSent) {
      response.destroy();
      return;
    }
    for (const name of Object.keys(response.getHeaders())) {
      response.removeHeader(name);
    }
    putHeaders(response, this.#headersBefore);
    response.statusCode = this.#statusBefore;
    // Node takes the one of the status.
    response.statusMessage = "";
  }

  /** Puts something in the place of a method, until the release. */
  #wrap(
    name: keyof NodeResponse,
    act: (args: readonly unknown[], send: Send) => unknown,
  ): void {
    const response = this.#response;
    const original = response[name] as (...args: unknown[]) => unknown;
    Reflect.set(response, name, (...args: unknown[]): unknown => {
      const send: Send = (given = args) =>
        Reflect.apply(original, response, given);
      return this.#phase === "released" ? send() : act(args, send);
    });
  }

  /** Has a property be true early. */
  #shadow(name: "headersSent" | "writableEnded", isTrue: () => boolean): void {
    const response = this.#response;
    // Another of these may have done the same.
    const before = Object.getOwnPropertyDescriptor(response, name)?.get;
    const get = (): unknown => {
      if (isTrue()) return true;
      return before === undefined
        ? Reflect.get(Object.getPrototypeOf(response), name, response)
        : Reflect.apply(before, response, []);
    };
    Object.defineProperty(response, name, { configurable: true, get });
  }

  #holdHead(args: readonly unknown[], send: Send): unknown {
    if (this.#phase === "held") throw makeSentError("writeHead");
    const response = this.#response;
    const status = Number(args[0]);
    // It says what is wrong.
    if (!(status >= 100 && status <= 999)) return send();
    const [, message] = args;
    const hasMessage = typeof message === "string";
    if (hasMessage) response.statusMessage = message;
    putHeaders(response, hasMessage ? args[2] : message ?? args[2]);
    this.#status = status;
    // Without headers, which would replace those that are added.
    if (!this.#isHeadImplicit) this.#calls.push(() => send([status]));
    this.#phase = "held";
    this.#head = new ResponseHead(status, response.getHeaders());
    this.#begun.resolve(this.#head.response);
    return response;
  }

  #hold(send: Send): void {
    if (this.#phase === "open") {
      // By this name, as Node does it: others wait for the head as well.
      const response = this.#response;
      this.#isHeadImplicit = true;
      Reflect.apply(response.writeHead, response, [response.statusCode]);
    }
    this.#calls.push(send);
  }
}

function isChunk(value: unknown): boolean {
  return typeof value === "string" || value instanceof Uint8Array;
}

/** Does what `writeHead` does with headers: an object, or a list of both. */
function putHeaders(response: NodeResponse, headers: unknown): void {
  if (Array.isArray(headers)) {
    const list: unknown[] = Array.isArray(headers[0])
      ? headers.flat()
      : headers;
    const names = list.filter((_, at) => at % 2 === 0).map(String);
    for (const name of names) response.removeHeader(name);
    for (const [at, name] of names.entries()) {
      response.appendHeader(name, list[at * 2 + 1] as string);
    }
    return;
  }
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value !== undefined) response.setHeader(name, value);
  }
}

/** The error that Node has for this. */
function makeSentError(method: `${string}Head${string}`): Error {
  const act = method.replace(/Head.*/, "");
  const error = new Error(
    `Cannot ${act} headers after they are sent to the client`,
  );
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}

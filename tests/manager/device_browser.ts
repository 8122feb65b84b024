/**
 * A browser with device-bound sessions, in software: it does what Chromium 156
 * was seen to do, and one step at a time where a test asks for that. Its requests
 * go to a handler, with a cookie jar for one host.
 */

import { assert, assertEquals } from "@std/assert";
import { type ProofChanges, SoftKey } from "../device/soft_key.ts";

/** A device-bound session of a browser. */
interface DeviceSession {
  readonly identifier: string;
  readonly refreshUrl: string;
  readonly key: SoftKey;
  challenge: string | undefined;
}

/** What an answer offers. */
export interface Offer {
  readonly path: string;
  readonly challenge: string;
}

type Handler = (request: Request) => Promise<Response>;

const ORIGIN = "https://app.example";
/** A browser gives up after so many signatures. */
const MOST_SIGNED = 4;
const REFRESH_EARLY = 120_000;

/** Reads the offer of an answer, if it makes one. */
export function offerOf({ headers }: Response): Offer | undefined {
  const header = headers.get("secure-session-registration");
  const match = /^\(([A-Z0-9 ]+)\);path="([^"]+)";challenge="([^"]+)"$/
    .exec(header ?? "");
  if (match === null) {
    assertEquals(header, null);
    return undefined;
  }
  return { path: match[2]!, challenge: match[3]! };
}

/** Reads the challenge of an answer, if it makes one. */
export function challengeOf({ headers }: Response): string | undefined {
  const header = headers.get("secure-session-challenge") ?? "";
  return /^"([^"]+)";id="[^"]+"$/.exec(header)?.[1];
}

/** The browser. */
export class DeviceBrowser {
  /** Its cookie, and when it runs out; `undefined` when it has none. */
  cookie: { readonly pair: string; readonly until: number } | undefined;
  /** At most one, by its identifier. */
  readonly sessions: Map<string, DeviceSession> = new Map();
  /** Each request: method, path, status. */
  readonly trace: string[] = [];
  signatures = 0;
  /** Whether it knows device-bound sessions. */
  isCapable = true;
  /** Whether it writes strings in quotes, as the specification says. */
  quotes = false;
  readonly alg: "ES256" | "RS256";
  readonly #handle: Handler;
  readonly #now: () => number;
  #refreshing: Promise<string | undefined> | undefined;

  constructor(
    handle: Handler,
    now: () => number,
    alg: "ES256" | "RS256" = "ES256",
  ) {
    this.#handle = handle;
    this.#now = now;
    this.alg = alg;
  }

  /** The value of its `Cookie` header. */
  get pair(): string | undefined {
    const { cookie } = this;
    if (cookie !== undefined && cookie.until <= this.#now()) {
      this.cookie = undefined;
    }
    return this.cookie?.pair;
  }

  get session(): DeviceSession | undefined {
    assert(this.sessions.size <= 1);
    return this.sessions.values().next().value;
  }

  /** Visits a page: refreshes before, or beside, and registers after. */
  async visit(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const { session } = this;
    if (session !== undefined) {
      const isMissing = this.pair === undefined;
      const isEarly = !isMissing &&
        this.cookie!.until - this.#now() <= REFRESH_EARLY;
      const skipped = isMissing || isEarly
        ? await (this.#refreshing ??= this.refresh(session).finally(() => {
          this.#refreshing = undefined;
        }))
        : undefined;
      if (isMissing && skipped !== undefined) {
        const value = `${skipped};session_identifier="${session.identifier}"`;
        headers.set("secure-session-skipped", value);
      }
    }
    const response = await this.send(path, { ...init, headers });
    await this.answer(offerOf(response));
    return response;
  }

  /** Sends a request with its cookie, and takes the answer's. */
  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.ask(path, init, this.pair);
    this.take(response);
    return response;
  }

  /** Sends a request with a cookie, and keeps the answer's from the jar. */
  async ask(
    path: string,
    init: RequestInit = {},
    cookie?: string,
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    if (cookie !== undefined) headers.set("cookie", cookie);
    const request = new Request(`${ORIGIN}${path}`, { ...init, headers });
    const response = await this.#handle(request);
    this.trace.push(`${request.method} ${path} ${response.status}`);
    return response;
  }

  /** Takes the cookie of an answer, and the challenge. */
  take(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const age = /; Max-Age=(\d+)/.exec(line)?.[1];
      const until = age === undefined
        ? Infinity
        : this.#now() + Number(age) * 1_000;
      const pair = line.split(";", 1)[0]!;
      this.cookie = age === "0" ? undefined : { pair, until };
    }
    const { session } = this;
    if (session === undefined) return;
    session.challenge = challengeOf(response) ?? session.challenge;
  }

  /** Registers a key for an offer, as a browser does in the background. */
  async answer(offer: Offer | undefined): Promise<Response | undefined> {
    if (offer === undefined || !this.isCapable) return undefined;
    const key = await SoftKey.create(this.alg);
    this.signatures++;
    const proof = await key.register(offer.challenge);
    const response = await this.send(offer.path, this.#proving(proof));
    if (response.status === 200) {
      await this.#configure(response, key, offer.path);
    }
    return response;
  }

  /** Follows the instructions of an answer. */
  async #configure(
    response: Response,
    key: SoftKey,
    path: string,
  ): Promise<void> {
    const instructions = await response.json();
    const { session_identifier, refresh_url, credentials } = instructions;
    const [{ attributes }] = credentials;
    assert(!/max-age|expires|partitioned/i.test(attributes));
    this.sessions.set(session_identifier, {
      identifier: session_identifier,
      refreshUrl: new URL(refresh_url, `${ORIGIN}${path}`).pathname,
      key,
      challenge: challengeOf(response),
    });
  }

  /**
   * Refreshes a session.
   *
   * @returns Why it did not, if it is to be told.
   */
  async refresh(session: DeviceSession): Promise<string | undefined> {
    for (let signed = 0;; signed++) {
      const isLast = signed === MOST_SIGNED;
      const response = isLast ? undefined : await this.prove(session);
      if (response?.status === 403 && session.challenge !== undefined) continue;
      if (response !== undefined && response.status >= 500) {
        return "server_error";
      }
      if (response?.ok) return undefined;
      this.sessions.delete(session.identifier);
      return undefined;
    }
  }

  /** Sends one proof, or none where it knows no challenge. */
  async prove(
    { identifier, refreshUrl, key, challenge }: DeviceSession,
    changes?: ProofChanges,
  ): Promise<Response> {
    if (challenge !== undefined) this.signatures++;
    const proof = challenge === undefined
      ? undefined
      : await key.refresh(challenge, changes);
    return await this.send(refreshUrl, this.#proving(proof, identifier));
  }

  #proving(proof: string | undefined, identifier?: string): RequestInit {
    const headers = new Headers();
    const put = (name: string, value: string | undefined) => {
      if (value === undefined) return;
      headers.set(name, this.quotes ? `"${value}"` : value);
    };
    put("secure-session-response", proof);
    put("sec-secure-session-id", identifier);
    return { method: "POST", headers };
  }
}

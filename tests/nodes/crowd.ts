/** Visitors at a steady rate, and how long they wait for each answer. */

import { Random } from "../random.ts";
import type { Answer } from "./application.ts";
import { Revocations } from "./revocations.ts";
import { Violation, Visitor } from "./visitor.ts";

/** A request of a visitor. */
export interface Timing {
  /** When it was sent, by `performance.now()`. */
  readonly begin: number;
  /** How long the visitor waited, in ms. */
  readonly wait: number;
  /** The status of the answer; 0 for none. */
  readonly status: number;
}

/** What {@linkcode Crowd} takes. */
export interface CrowdOptions {
  /** The proxy's. */
  readonly port: number;
  readonly visitors: number;
  /** Requests a second, at least. */
  readonly rate: number;
}

const USERS = 40;
/** A request that has no answer by then gets none. */
const LONGEST = 15_000;
const MOST_VIOLATIONS = 20;
const MOST_CHARACTERS = 60;

/** Visitors that act at a steady rate, until the crowd is disposed of. */
export class Crowd implements AsyncDisposable {
  /** All requests so far. */
  readonly timings: Timing[] = [];
  /** What no state explains. */
  readonly violations: string[] = [];
  /** How often a request had no answer, or 5xx, by the beginning of the reason. */
  readonly failures: Map<string, number> = new Map();
  /** How many answers were compared. */
  compared = 0;
  readonly #options: CrowdOptions;
  readonly #random = new Random(1);
  readonly #revocations = new Revocations();
  readonly #visitors: Visitor[];
  readonly #idle: Visitor[];
  readonly #underWay = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #names = 0;

  /** @param options Where they go, how many and how often. */
  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#visitors = Array.from(
      { length: options.visitors },
      () => this.#newVisitor(),
    );
    this.#idle = [...this.#visitors];
    this.#running = this.#run();
  }

  /** Revokes a user's sessions; resolves when that is acknowledged. */
  async revokeOne(): Promise<void> {
    const user = this.#drawUser();
    await this.#revocations.during(user, async () => {
      const url = `http://127.0.0.1/revoke?word=${encodeURIComponent(user)}`;
      const response = await this.#send(new Request(url)).catch(() => null);
      if (response?.ok) return true;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return false;
    });
  }

  /** Brings a cookie with this session ID, which must open nothing. */
  async bringUnknown(id: string): Promise<void> {
    const cookie = `latchkey=${id}${"A".repeat(22)}`;
    const request = new Request("http://127.0.0.1/visit", {
      headers: { cookie },
    });
    const response = await this.#send(request).catch(() => null);
    if (response === null || !response.ok) return;
    const { visits, user } = await response.json() as Answer;
    if (visits !== 1 || user !== null) {
      this.violations.push(`the unknown ${id} opens a session`);
    }
  }

  /** Resolves when each visitor has looked at its session in this number of answers more. */
  async haveAllSeen(answers: number): Promise<void> {
    const goals = this.#visitors.map((visitor) => visitor.answers + answers);
    const isSeen = () =>
      this.#visitors.every((visitor, n) => visitor.answers >= goals[n]!);
    while (!isSeen()) await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** Lets them finish. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
    await Promise.all(this.#underWay);
  }

  async #run(): Promise<void> {
    const { rate } = this.#options;
    const { signal } = this.#over;
    const begin = performance.now();
    for (let due = 1; !signal.aborted; due++) {
      const work = this.#actOnce();
      this.#underWay.add(work);
      work.finally(() => this.#underWay.delete(work));
      const wait = begin + due * 1000 / rate - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
    }
  }

  async #actOnce(): Promise<void> {
    const random = this.#random;
    const [visitor] = this.#idle.splice(random.below(this.#idle.length), 1);
    if (visitor === undefined) return; // all of them wait for an answer
    try {
      const made = await visitor.act();
      this.compared += made;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      if (this.violations.length < MOST_VIOLATIONS) {
        this.violations.push(error.message);
      }
      visitor.begin();
    }
    this.#idle.push(visitor);
  }

  #newVisitor(): Visitor {
    return new Visitor({
      name: `visitor ${this.#names++}`,
      send: (request) => this.#send(request),
      random: this.#random,
      drawUser: () => this.#drawUser(),
      revocations: this.#revocations,
      leaveFor: 5_000,
    });
  }

  #drawUser(): string {
    return `user ${this.#random.below(USERS)}`;
  }

  async #send(request: Request): Promise<Response> {
    const begin = performance.now();
    let status = 0;
    try {
      const url = new URL(request.url);
      url.port = String(this.#options.port);
      const { headers } = request;
      const signal = AbortSignal.timeout(LONGEST);
      const response = await fetch(url, { headers, signal });
      const body = await response.text();
      ({ status } = response);
      if (status >= 500) this.#noteFailure(body);
      return new Response(body, { status, headers: response.headers });
    } catch (error) {
      this.#noteFailure(String(error));
      throw error;
    } finally {
      this.timings.push({ begin, wait: performance.now() - begin, status });
    }
  }

  #noteFailure(reason: string): void {
    const beginning = reason.replace(/\d+.*/s, "…").slice(0, MOST_CHARACTERS);
    this.failures.set(beginning, (this.failures.get(beginning) ?? 0) + 1);
  }
}

/*
 * A visitor knows what its session may hold, and compares every answer with it.
 *
 *   states    what the session behind the visitor's cookie may hold: one, while
 *             every request is answered
 *   pending   of a state: the requests without an answer, or with a status of
 *             500 or more, that were not carried out in it; each may be yet
 *
 * An answer leaves the states that explain it. When none does, an acknowledged
 * change was lost, something ended has come back, or the answer is about a
 * session of another visitor.
 */
import type { Random } from "../random.ts";
import { type Answer, REFUSED } from "./application.ts";
import type { Revocations, Span } from "./revocations.ts";

/** Sends a request and returns its answer; throws when there is none. */
export type Send = (request: Request) => Promise<Response>;

/** What a visitor does with its session in one request. */
type Act =
  | { readonly path: "/look" | "/visit" | "/read-note" }
  | { readonly path: "/logout" | "/regenerate" }
  | {
    readonly path: "/leave-note" | "/login" | "/leave";
    readonly word: string;
  };

/** What the session behind a cookie may hold. */
interface State {
  /** Whether there is a session. */
  readonly isLive: boolean;
  readonly visits: number;
  readonly user: string | null;
  readonly note: string | null;
  /** From when it is known to live, until when its user had signed in. */
  readonly login: Span;
  readonly pending: readonly Act[];
}

/** What came back of a request. */
interface Outcome {
  readonly act: Act;
  /** The answer; the refusal; or neither, when it is unknown what was done. */
  readonly answer: Answer | "refused" | "unknown";
}

/** How a visitor is. */
export interface VisitorOptions {
  /** No other visitor has this name. */
  readonly name: string;
  readonly send: Send;
  readonly random: Random;
  /** Draws the user as whom it signs in. */
  readonly drawUser: () => string;
  readonly revocations: Revocations;
  /** Whether some of its requests are exclusive. */
  readonly isExclusive?: boolean;
  /** How long a session lives that the visitor leaves behind, in ms. */
  readonly leaveFor: number;
}

const NEVER: Span = { begin: -Infinity, end: -Infinity };
const NOTHING: State = {
  isLive: false,
  visits: 0,
  user: null,
  note: null,
  login: NEVER,
  pending: [],
};

/** More than this, and the visitor begins anew. */
const MOST_PENDING = 3;
/** Cookies of sessions that have ended, which are tried again. */
const MOST_DEAD = 4;
/** Requests that a message tells of. */
const MOST_LATEST = 10;

/** A visitor with a cookie; it makes one request at a time, or two visits at once. */
export class Visitor {
  /** How many answers about its session it has got. */
  answers = 0;
  readonly #options: VisitorOptions;
  #states: readonly State[] = [NOTHING];
  #cookie: string | undefined;
  /** What it did last, for a message. */
  readonly #latest: string[] = [];
  /** Cookies that open nothing any more. */
  readonly #dead: string[] = [];

  constructor(options: VisitorOptions) {
    this.#options = options;
  }

  /**
   * Makes a request, or two at once.
   *
   * @returns How many were made.
   * @throws {Violation} If an answer has no explanation.
   */
  async act(): Promise<number> {
    const { random } = this.#options;
    if (this.#states.some(({ pending }) => pending.length > MOST_PENDING)) {
      this.begin();
    }
    if (this.#dead.length > 0 && random.oneIn(10)) return await this.#replay();
    const acts = this.#draw();
    const begin = performance.now();
    const outcomes = await Promise.all(acts.map((act) => this.#ask(act)));
    const end = performance.now();
    for (const { act, answer } of outcomes) {
      const span = [begin, end].map(Math.round).join("–");
      this.#latest.push(`${span} ${JSON.stringify([act, answer])}`);
    }
    this.#latest.splice(0, this.#latest.length - MOST_LATEST);
    this.#learn(outcomes, { begin, end });
    if (acts[0]!.path === "/leave") this.begin();
    return acts.length;
  }

  /** Draws what it does next. */
  #draw(): Act[] {
    const { random, leaveFor, drawUser } = this.#options;
    const drawn = random.below(100);
    if (drawn < 34) return [{ path: "/visit" }];
    if (drawn < 40) {
      return Array(this.#isCertain ? 2 : 1).fill({ path: "/visit" });
    }
    if (drawn < 62) return [{ path: "/look" }];
    if (drawn < 71) {
      return [{ path: "/leave-note", word: `note ${random.below(1e6)}` }];
    }
    if (drawn < 80) return [{ path: "/read-note" }];
    if (drawn < 89) return [{ path: "/login", word: drawUser() }];
    if (drawn < 93) return [{ path: "/regenerate" }];
    if (drawn < 97) return [{ path: "/logout" }];
    return [{ path: "/leave", word: `${leaveFor}` }];
  }

  /** Whether there is a session, and nothing can end it but the visitor. */
  get #isCertain(): boolean {
    const [{ isLive, user, pending }, ...others] = this.#states as [
      State,
      ...State[],
    ];
    return isLive && user === null && pending.length + others.length === 0;
  }

  /** Begins anew, without a session. */
  begin(): void {
    this.#states = [NOTHING];
    this.#cookie = undefined;
  }

  async #ask(act: Act): Promise<Outcome> {
    const { name, random, isExclusive = false, send } = this.#options;
    const url = new URL(act.path, "http://127.0.0.1/");
    url.searchParams.set("owner", name);
    if ("word" in act) url.searchParams.set("word", act.word);
    if (isExclusive && random.oneIn(10)) url.searchParams.set("exclusive", "");
    return { act, answer: await this.#send(url, this.#cookie, send) };
  }

  async #send(
    url: URL,
    cookie: string | undefined,
    send: Send,
  ): Promise<Outcome["answer"]> {
    const headers = new Headers(cookie === undefined ? {} : { cookie });
    let response: Response;
    let text: string;
    try {
      response = await send(new Request(url, { headers }));
      text = await response.text();
    } catch {
      return "unknown"; // the connection broke, or it took too long
    }
    if (response.status >= 500) return "unknown";
    if (response.status === REFUSED) return "refused";
    if (response.status !== 200) {
      throw this.#violation(`${response.status} ${text}`, url.pathname);
    }
    const before = this.#cookie;
    for (const header of response.headers.getSetCookie()) {
      const [pair] = header.split(";", 1);
      this.#cookie = pair!.endsWith("=") ? undefined : pair;
    }
    const isDead = hasNewSecret(url.pathname) && before !== this.#cookie;
    if (isDead && before !== undefined) {
      this.#dead.push(before);
      if (this.#dead.length > MOST_DEAD) this.#dead.shift();
    }
    return JSON.parse(text) as Answer;
  }

  /** Sends a cookie that opens nothing any more. */
  async #replay(): Promise<number> {
    const { random, send } = this.#options;
    const cookie = random.pick(this.#dead);
    const mine = this.#cookie;
    const url = new URL("http://127.0.0.1/look");
    const answer = await this.#send(url, cookie, send);
    this.#cookie = mine;
    if (typeof answer === "string") return 1;
    if (answer.owner !== null || answer.user !== null || answer.visits > 0) {
      throw this.#violation(answer, "an old cookie");
    }
    return 1;
  }

  /** Leaves the states that explain what came back. */
  #learn(outcomes: readonly Outcome[], span: Span): void {
    const { revocations } = this.#options;
    const before = this.#states.flatMap(unfold).flatMap((state) => {
      const fate = revocations.fateOf(state.user, state.login, span);
      const gone = fate === "kept" ? [] : [NOTHING];
      return fate === "gone" ? gone : [state, ...gone];
    });
    const after = before.flatMap((state) =>
      this.#explain(state, outcomes, span)
    );
    if (after.length === 0) {
      const [{ act }] = outcomes as [Outcome];
      throw this.#violation(outcomes.map(({ answer }) => answer), act.path);
    }
    this.#states = unique(after);
    this.answers +=
      outcomes.filter(({ answer }) => typeof answer === "object").length;
  }

  /** The states after a state, if that explains what came back. */
  #explain(
    state: State,
    outcomes: readonly Outcome[],
    span: Span,
  ): readonly State[] {
    // What the other of two requests did may have come before.
    const others = outcomes.slice(1).map(({ act }) => act);
    const seen = unfold({ ...state, pending: [...state.pending, ...others] });
    return outcomes.reduce<readonly State[]>(
      (after, { act, answer }) =>
        answer === "unknown"
          ? after.map((one) => postpone(one, act))
          : answer === "refused"
          ? this.#explainRefusal(state, seen, act, span)
          : this.#explainAnswer(after, seen, act, answer, span),
      [state],
    );
  }

  #explainRefusal(
    state: State,
    seen: readonly State[],
    act: Act,
    span: Span,
  ): readonly State[] {
    const { revocations } = this.#options;
    const isGone = seen.some(({ isLive }) => !isLive) ||
      revocations.fateOf(state.user, state.login, span) !== "kept";
    if (act.path === "/login" && revocations.mayRefuse(act.word, span)) {
      return isGone ? [state, NOTHING] : [state];
    }
    return isGone && state.isLive ? [NOTHING] : [];
  }

  #explainAnswer(
    states: readonly State[],
    seen: readonly State[],
    act: Act,
    answer: Answer,
    span: Span,
  ): readonly State[] {
    if (answer.owner !== null && answer.owner !== this.#options.name) return [];
    if (!seen.some((one) => matches(one, act, answer))) return [];
    // Some of what is pending may have been kept just before; with a new secret
    // the rest is refused.
    const found = hasNewSecret(act.path)
      ? states.flatMap((state) =>
        unfold(state).filter(({ isLive }) => isLive === state.isLive)
      )
      : states;
    const applied = found.map((state) => apply(state, act, span));
    // The session may have ended under a login, which then has one of its own.
    return act.path === "/login" && seen.some(({ isLive }) => !isLive)
      ? [...applied, apply(NOTHING, act, span)]
      : applied;
  }

  #violation(answer: unknown, what: string): Violation {
    const { name } = this.#options;
    return new Violation(
      `${name}: ${what} was answered ${JSON.stringify(answer)};` +
        ` possible before: ${JSON.stringify(this.#states)};` +
        ` it did: ${this.#latest.join(", ")}`,
    );
  }
}

/** An answer that nothing explains. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** A state, and those after any of what is pending. */
function unfold(state: State): State[] {
  return [
    state,
    ...state.pending.flatMap((act, n) => {
      const pending = state.pending.toSpliced(n, 1);
      // What changes the secret leaves the visitor with a cookie that opens nothing.
      return hasNewSecret(act.path)
        ? [NOTHING]
        : unfold(apply({ ...state, pending }, act, state.login));
    }),
  ];
}

/** The state after a request of which it is unknown what was done. */
function postpone(state: State, act: Act): State {
  return state.isLive ? { ...state, pending: [...state.pending, act] } : state;
}

/** The state after a request. */
function apply(state: State, act: Act, span: Span): State {
  // It lived when the request was under way.
  const login = { ...state.login, begin: span.begin };
  switch (act.path) {
    case "/look":
    case "/leave":
      return { ...state, login };
    case "/visit":
      return { ...state, login, isLive: true, visits: state.visits + 1 };
    case "/leave-note":
      return { ...state, login, isLive: true, note: act.word };
    case "/read-note":
      return { ...state, login, note: null };
    case "/regenerate":
      return { ...state, login, pending: late(state) };
    case "/logout":
      return NOTHING;
    case "/login": {
      const isOther = state.user !== null && state.user !== act.word;
      const kept = isOther ? NOTHING : { ...state, pending: late(state) };
      return { ...kept, isLive: true, user: act.word, login: span };
    }
  }
}

function hasNewSecret(path: string): boolean {
  return ["/login", "/logout", "/regenerate"].includes(path);
}

/** What is still pending when the session has a new secret. */
function late({ pending }: State): Act[] {
  return pending.filter(({ path }) => path === "/logout");
}

/** Tells whether a request that finds a state answers so. */
function matches(state: State, act: Act, answer: Answer): boolean {
  const { visits, user } = apply(state, act, NEVER);
  return answer.visits === visits && answer.user === user &&
    answer.note === (act.path === "/read-note" ? state.note : null);
}

function unique(states: readonly State[]): State[] {
  return [
    ...new Map(states.map((state) => [JSON.stringify(state), state])).values(),
  ];
}

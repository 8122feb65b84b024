/** From when to when something was under way, by `performance.now()`. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** A login is refused when a revocation came later by the clocks, which may differ. */
const SLACK = 1_500;

/** How long after it was sent a revocation may be carried out that was not answered. */
const LONGEST = 30_000;

/** What the visitors know of the users whose sessions were revoked. */
export class Revocations {
  readonly #spans = new Map<string, Span[]>();

  /**
   * Revokes a user's sessions.
   *
   * @param user The user.
   * @param revoke Tries it; resolves to whether that was acknowledged. It is
   * called until it was.
   */
  async during(user: string, revoke: () => Promise<boolean>): Promise<void> {
    const spans = this.#spans.get(user) ?? [];
    this.#spans.set(user, spans);
    for (let isDone = false; !isDone;) {
      const begin = performance.now();
      // Until it is acknowledged it may happen at any time.
      const at = spans.push({ begin, end: Infinity }) - 1;
      isDone = await revoke();
      spans[at] = { begin, end: performance.now() + (isDone ? 0 : LONGEST) };
    }
  }

  /**
   * Tells what a request sees of a session.
   *
   * @param user Its user.
   * @param login When the user signed in.
   * @param request When the request was under way.
   */
  fateOf(
    user: string | null,
    login: Span,
    request: Span,
  ): "kept" | "gone" | "unknown" {
    const spans = user === null ? [] : this.#spans.get(user) ?? [];
    if (
      spans.some(({ begin, end }) => login.end < begin && end < request.begin)
    ) {
      return "gone";
    }
    return spans.some(({ begin, end }) =>
        begin <= request.end && login.begin <= end
      )
      ? "unknown"
      : "kept";
  }

  /** Tells whether a login may be refused, because the user is revoked meanwhile. */
  mayRefuse(user: string, request: Span): boolean {
    return (this.#spans.get(user) ?? []).some(({ begin, end }) =>
      begin <= request.end && request.begin <= end + SLACK
    );
  }
}

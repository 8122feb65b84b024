/**
 * Takes a `Response` that a handler threw for its answer, as frameworks have
 * it that leave a handler by `throw redirect("/login")`.
 *
 * @param thrown What the handler threw.
 * @returns It, when it is a `Response`.
 * @throws It, when it is anything else.
 */
export function thrownResponse(thrown: unknown): Response {
  if (thrown instanceof Response) return thrown;
  throw thrown;
}

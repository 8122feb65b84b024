/** What headers a framework has of a response: values, or lists of them. */
export type HeaderValues = Readonly<
  Record<string, number | string | readonly string[] | undefined>
>;

/** The statuses that a `Response` can have; what is above fails like these. */
const LOWEST = 200;
const HIGHEST = 599;

/**
 * The head of a response in a framework that has no `Response`: one is made of
 * it, for `commitWhen` to judge and a manager to add headers to.
 */
export class ResponseHead {
  /** What a manager is given. */
  readonly response: Response;
  readonly #headers: Headers;

  constructor(status: number, headers: HeaderValues) {
    this.#headers = new Headers();
    for (const [name, value] of Object.entries(headers)) {
      // So that the cookies that are found later are the manager's.
      if (value === undefined || name.toLowerCase() === "set-cookie") continue;
      for (const each of [value].flat()) {
        this.#headers.append(name, String(each));
      }
    }
    this.response = new Response(null, {
      status: Math.min(Math.max(status, LOWEST), HIGHEST),
      headers: this.#headers,
    });
  }

  /**
   * Finds what a manager has added.
   *
   * @param response What it made of the response, which may be the same object.
   * @returns Headers, of which cookies are to be appended and others to be set.
   */
  added(response: Response): (readonly [name: string, value: string])[] {
    return [...response.headers].filter(([name, value]) =>
      name === "set-cookie" || this.#headers.get(name) !== value
    );
  }
}

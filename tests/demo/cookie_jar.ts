/** A response that was read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends requests as curl does with a cookie jar; it follows no redirects. */
export class CookieJar {
  readonly #cookies = new Map<string, string>();
  /** Where the server listens, without a slash at the end. */
  url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The value of the `Cookie` header, if any. */
  get cookie(): string | undefined {
    const pairs = [...this.#cookies].map((pair) => pair.join("="));
    return pairs.length === 0 ? undefined : pairs.join("; ");
  }

  /** Returns another jar with the same cookies. */
  copy(): CookieJar {
    const copy = new CookieJar(this.url);
    for (const pair of this.#cookies) copy.#cookies.set(...pair);
    return copy;
  }

  async get(
    path: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return await this.send(path, { headers });
  }

  async post(
    path: string,
    fields: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const body = new URLSearchParams(fields);
    return await this.send(path, { method: "POST", headers, body });
  }

  async send(path: string, init: RequestInit): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.cookie !== undefined) headers.set("cookie", this.cookie);
    const response = await fetch(this.url + path, {
      redirect: "manual",
      ...init,
      headers,
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const isCleared = /;\s*max-age=0\b/i.test(line);
      if (isCleared) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const text = await response.text();
    return { status: response.status, headers: response.headers, text };
  }
}

/** A response that was read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends requests as curl does with a cookie jar; it follows no redirects. */
export class CookieJar {
  /** The value of the `Cookie` header, if any. */
  cookie: string | undefined;
  /** Where the server listens, without a slash at the end. */
  url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Returns another jar with the same cookie. */
  copy(): CookieJar {
    const copy = new CookieJar(this.url);
    copy.cookie = this.cookie;
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
      const isCleared = /;\s*max-age=0\b/i.test(line);
      this.cookie = isCleared ? undefined : line.split(";")[0]!;
    }
    const text = await response.text();
    return { status: response.status, headers: response.headers, text };
  }
}

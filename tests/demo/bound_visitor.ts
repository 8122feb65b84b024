import { DeviceBrowser } from "../manager/device_browser.ts";
import { CERT } from "./demo_server.ts";

/** A visitor of a demo over https, whose browser can bind sessions to its device. */
export class BoundVisitor implements Disposable {
  readonly browser: DeviceBrowser;
  readonly #client: Deno.HttpClient;

  /** @param url Where the demo listens, without a slash at the end. */
  constructor(url: string) {
    const caCerts = [Deno.readTextFileSync(CERT)];
    this.#client = Deno.createHttpClient({ caCerts });
    this.browser = new DeviceBrowser(
      async (request) => {
        const { pathname } = new URL(request.url);
        const { method, headers } = request;
        return await fetch(url + pathname, {
          method,
          headers,
          body: method === "POST" ? await request.text() : null,
          redirect: "manual",
          client: this.#client,
        });
      },
      Date.now,
    );
  }

  /** Visits a page, as the browser does: it binds and refreshes. */
  async get(path: string): Promise<string> {
    return await (await this.browser.visit(path)).text();
  }

  /** Sends a form, and reads what answers it. */
  async post(
    path: string,
    fields: Record<string, string> = {},
  ): Promise<string> {
    const body = new URLSearchParams(fields);
    const init = { method: "POST", body };
    return await (await this.browser.visit(path, init)).text();
  }

  /** Visits a page with a cookie and no other, as curl does. */
  async curl(path: string, cookie: string): Promise<string> {
    return await (await this.browser.ask(path, {}, cookie)).text();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

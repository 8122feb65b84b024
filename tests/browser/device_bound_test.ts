/**
 * Sessions that are bound to the device, in a real browser: headless Chromium with
 * keys in software, over https on the loopback. Only `deno task test:browser` runs
 * it and says in `CHROMIUM_PATH` where Chromium is; otherwise these are ignored.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import type { Browser, BrowserContext, Page } from "npm:playwright-core@1.65.1";
import { DemoServer } from "../demo/demo_server.ts";
import { DeviceServer, hashOfKey } from "./device_server.ts";

const NAME = "__Host-latchkey";
const EVERY = 600_000;
const GRACE = 30_000;
const chromiumPath = readChromiumPath();

/** Tells what a browser does with its device-bound sessions. */
class Device {
  readonly log: string[] = [];
  readonly #context: BrowserContext;
  readonly #waiting = new Set<() => void>();
  readonly #version: string;

  private constructor(context: BrowserContext, version: string) {
    this.#context = context;
    this.#version = version;
  }

  static async watch(page: Page): Promise<Device> {
    const context = page.context();
    const device = new Device(context, context.browser()!.version());
    const client = await context.newCDPSession(page);
    client.on(
      "Network.deviceBoundSessionEventOccurred" as never,
      ((event: Record<string, unknown>) => device.#note(event)) as never,
    );
    await client.send("Network.enable");
    const enable = { enable: true };
    await client.send(
      "Network.enableDeviceBoundSessions" as never,
      enable as never,
    );
    return device;
  }

  /** Waits until so many of what begins so have happened, since the watch began. */
  async until(what: string, count = 1): Promise<void> {
    const problem = setTimeout(() => {
      throw new Error(
        `Chromium ${this.#version} did not say "${what}" ${count} times, but ${
          JSON.stringify(this.log)
        }: its feature for keys in software may have changed`,
      );
    }, 60_000);
    while (this.log.filter((each) => each.startsWith(what)).length < count) {
      await new Promise<void>((resolve) => {
        const go = () => {
          this.#waiting.delete(go);
          resolve();
        };
        this.#waiting.add(go);
      });
    }
    clearTimeout(problem);
  }

  async cookie(): Promise<string | undefined> {
    const cookies = await this.#context.cookies();
    return cookies.find(({ name }) => name === NAME)?.value;
  }

  /** Lets the cookie run out. */
  async expire(): Promise<void> {
    await this.#context.clearCookies({ name: NAME });
  }

  #note(event: Record<string, unknown>): void {
    const details = event.refreshEventDetails as
      | { refreshResult: string }
      | undefined;
    const what = event.creationEventDetails !== undefined
      ? `creation ${event.succeeded}`
      : details !== undefined
      ? `refresh ${details.refreshResult}`
      : event.terminationEventDetails !== undefined
      ? "termination"
      : "challenge";
    this.log.push(what);
    for (const go of this.#waiting) go();
  }
}

/** Signs in, and waits until the session is bound. */
async function bind(
  page: Page,
  server: DeviceServer,
  user = "ann",
): Promise<Device> {
  const device = await Device.watch(page);
  await page.goto(`${server.url}/login?user=${user}`);
  await device.until("creation true");
  return device;
}

/** As whom a page is shown. */
async function show(page: Page, server: DeviceServer): Promise<string> {
  await page.goto(`${server.url}/`);
  return (await page.textContent("h1"))!;
}

deviceTest(
  "a login binds, and the cookie comes back by itself",
  async (browser, server) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const device = await bind(page, server);
    const first = await device.cookie();
    assertEquals(server.takeProofs(), [200]);
    const [cookie] = await context.cookies();
    const left = cookie!.expires - Date.now() / 1_000;
    assert(left > 500 && left <= EVERY / 1_000, `${left}`);

    // Many requests in two tabs wait for one refresh.
    const other = await context.newPage();
    await other.goto(`${server.url}/`);
    server.takeProofs();
    await device.expire();
    const fetches = () =>
      Promise.all(
        Array.from(
          { length: 6 },
          (_, n) => fetch(`/api/${n}`).then((response) => response.text()),
        ),
      );
    const answers = await Promise.all(
      [page, other].map((each) => each.evaluate(fetches)),
    );
    assertEquals(answers.flat(), Array(12).fill("ann"));
    assertEquals(server.takeProofs(), [200]);
    assertNotEquals(await device.cookie(), first);

    for (let times = 2; times < 5; times++) {
      await device.expire();
      assertEquals(await show(page, server), "ann");
    }
    assertEquals(server.takeProofs(), [200, 200, 200]);
    assertEquals(server.manager.counters.bound, 1);
    assertEquals(server.events, []);
  },
);

deviceTest(
  "logout, revocation and expire end it for the browser",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server);
    server.takeProofs();
    await page.goto(`${server.url}/logout`);
    assertEquals(await device.cookie(), undefined);
    assertEquals(await show(page, server), "null");
    assertEquals(await show(page, server), "null");
    // It asked once more, and forgot the session.
    assertEquals(server.takeProofs(), [404]);

    await page.goto(`${server.url}/login`);
    await device.until("creation true", 2);
    server.takeProofs();
    await server.manager.revokeUser("ann");
    assertEquals(await show(page, server), "null");
    await device.expire();
    assertEquals(await show(page, server), "null");
    assertEquals(server.takeProofs(), [404]);
    assertEquals(await show(page, server), "null");
    assertEquals(server.takeProofs(), []);
  },
);

deviceTest(
  "a server that fails or is stopped keeps the session, and what is written meanwhile takes no place",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server);
    server.failure = 503;
    await device.expire();
    await page.goto(`${server.url}/count`);
    assertEquals(await page.textContent("h1"), "null");
    assertEquals(await device.cookie(), undefined);
    assertEquals(server.events, [{ type: "skipped", reason: "server_error" }]);
    assertEquals((await Array.fromAsync(server.store.entries())).length, 1);
    server.failure = undefined;
    assertEquals(await show(page, server), "ann");

    await server.stop();
    await device.expire();
    // A failed navigation would end later, with a page of the browser's own.
    const isLost = await page.evaluate(() =>
      fetch("/api/0").then(() => false, () => true)
    );
    assertEquals(isLost, true);
    server.start();
    assertEquals(await show(page, server), "ann");
  },
);

deviceTest(
  "a copied cookie in another browser stops working",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server);
    const stolen = (await device.cookie())!;
    const thief = await browser.newContext();
    await thief.addCookies([{
      name: NAME,
      value: stolen,
      domain: "localhost",
      path: "/",
      secure: true,
    }]);
    const copy = await thief.newPage();
    assertEquals(await show(copy, server), "ann");
    await device.expire();
    assertEquals(await show(page, server), "ann");
    server.ahead += GRACE;
    assertEquals(await show(copy, server), "null");
    assertEquals(await thief.cookies(), []);
    assertEquals(await show(page, server), "ann");

    // While the browser is closed, until the deadline.
    const last = (await device.cookie())!;
    const tries = await browser.newContext();
    await tries.addCookies([{
      name: NAME,
      value: last,
      domain: "localhost",
      path: "/",
      secure: true,
    }]);
    const other = await tries.newPage();
    assertEquals(await show(other, server), "ann");
    server.ahead += EVERY;
    assertEquals(await show(other, server), "null");
  },
);

deviceTest(
  "a cookie that the server takes no more is cleared, and the next request has another",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server);
    const first = await device.cookie();
    server.ahead += EVERY + GRACE;
    assertEquals(await show(page, server), "null");
    assertEquals(await show(page, server), "ann");
    assertNotEquals(await device.cookie(), first);
  },
);

deviceTest(
  "ann's cookie runs out, ben logs in without a logout: ben, and never ann",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server, "ann");
    await device.expire();
    await page.goto(`${server.url}/login?user=ben`);
    await device.until("creation true", 2);
    for (let times = 0; times < 3; times++) {
      assertEquals(await show(page, server), "ben");
      await device.expire();
    }
    assertEquals(await show(page, server), "ben");
  },
);

deviceTest(
  "a login from another site binds, and replaces what was left behind",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server, "ann");
    await device.expire();
    using site = serveForm(`${server.url}/login?user=ben`);
    await page.goto(site.url);
    await page.getByRole("button").click();
    await page.getByText("ben").waitFor();
    await device.until("creation true", 2);
    assertEquals(await show(page, server), "ben");
    await device.expire();
    assertEquals(await show(page, server), "ben");
    await device.expire();
    // A link from there finds no cookie, and waits for none.
    await page.goto(`${site.url}/link`);
    await page.getByRole("link").click();
    await page.locator("h1").waitFor();
    assertEquals(await show(page, server), "ben");
  },
);

deviceTest(
  "two logins at once in two tabs leave one of them",
  async (browser, server) => {
    const context = await browser.newContext();
    const [one, other] = [await context.newPage(), await context.newPage()];
    const device = await Device.watch(one);
    await one.goto(`${server.url}/`);
    await Promise.all([
      one.goto(`${server.url}/login?user=ann`),
      other.goto(`${server.url}/login?user=ben`),
    ]);
    // What registers later replaces the other, or fails.
    await device.until("creation ", 2);
    assert(device.log.includes("creation true"));
    const user = await show(one, server);
    assertEquals(["ann", "ben"].includes(user), true);
    for (let times = 0; times < 3; times++) {
      await device.expire();
      assertEquals(await show(one, server), user);
      assertEquals(await show(other, server), user);
    }
  },
);

deviceTest(
  "ben's registration fails: ben while he is signed in, and never ann",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await bind(page, server, "ann");
    await device.expire();
    // The refresh before the login is not what is to fail.
    assertEquals(await show(page, server), "ann");
    for (const status of [404, 503]) {
      server.failure = status;
      await page.goto(`${server.url}/login?user=ben`);
      await device.until("creation false", status === 404 ? 1 : 2);
      server.failure = undefined;
      for (let times = 0; times < 3; times++) {
        assertEquals(await show(page, server), "ben");
      }
      const [cookie] = await page.context().cookies();
      // Not bound: it lives as long as a cookie does.
      assert(cookie!.expires - Date.now() / 1_000 > EVERY / 1_000);
    }
  },
);

deviceTest(
  "two hosts of one site keep a session each, with cookies of the same name",
  async (browser, server) => {
    const page = await (await browser.newContext()).newPage();
    const device = await Device.watch(page);
    const hosts = ["one", "two"].map((name) =>
      `https://${name}.site.localhost:${server.port}`
    );
    for (const [at, host] of hosts.entries()) {
      await page.goto(`${host}/login?user=user${at}`);
      await device.until("creation true", at + 1);
    }
    for (let times = 0; times < 2; times++) {
      await device.expire();
      for (const [at, host] of hosts.entries()) {
        await page.goto(`${host}/`);
        assertEquals(await page.textContent("h1"), `user${at}`);
      }
    }
    server.takeProofs();
    assertEquals(server.manager.counters.bound, 2);
  },
);

deviceTest("the demo shows the proofs of a bound session", async (browser) => {
  await using demo = await DemoServer.startBound();
  const page = await (await browser.newContext()).newPage();
  const device = await Device.watch(page);
  await page.goto(demo.url);
  await page.fill("input[name=name]", "Visitor");
  await page.getByRole("button", { name: "Log in" }).click();
  await device.until("creation true");
  await page.goto(demo.url);
  assertMatch(await page.innerText("#binding"), /^Bound: /);
  await page.getByRole("button", { name: "Steal this cookie" }).click();
  const line = await page.innerText("#stolen");
  assertStringIncludes(line, `${NAME}=${await device.cookie()}`);

  const proven = async () =>
    await page.getAttribute("#proven time", "datetime");
  await page.goto(demo.url);
  const first = await proven();
  await device.expire();
  await page.goto(demo.url);
  assertNotEquals(await proven(), first);
  assertEquals(await page.textContent("h1"), "Hello, Visitor!");
});

/** Declares a test that gets a browser and a server of its own. */
function deviceTest(
  name: string,
  act: (browser: Browser, server: DeviceServer) => Promise<void>,
): void {
  Deno.test({
    name: `${name} (Chromium)`,
    ignore: chromiumPath === undefined,
    // playwright-core keeps timers and streams after the browser's end.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const { chromium } = await import("npm:playwright-core@1.65.1");
      await using server = new DeviceServer();
      const features = [
        // Each test refreshes more often than a browser does in nine minutes.
        "DeviceBoundSessions:RefreshQuota/false",
        "EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
      ];
      const browser = await chromium.launch({
        executablePath: chromiumPath!,
        args: [
          "--headless=new",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          `--enable-features=${features.join()}`,
          `--ignore-certificate-errors-spki-list=${hashOfKey()}`,
        ],
      });
      try {
        await act(browser, server);
      } finally {
        await browser.close();
      }
    },
  });
}

/** Serves another site: the same machine under another name. */
function serveForm(target: string): { url: string } & Disposable {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      new Response(
        url.endsWith("/link")
          ? `<a href="${new URL("/", target)}">Click</a>`
          : `<form method="post" action="${target}"><button>Click</button></form>`,
        { headers: { "content-type": "text/html" } },
      ),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.dispose]: () => void server.shutdown(),
  };
}

/** Returns nothing without the permission, as in a plain `deno test`. */
function readChromiumPath(): string | undefined {
  const variable = "CHROMIUM_PATH";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

/**
 * The page in a real browser: headless Chromium, driven by playwright-core.
 * Only `deno task test:browser` runs it and says in `CHROMIUM_PATH` where
 * Chromium is; otherwise these tests are ignored.
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import type { Browser, Page } from "npm:playwright-core@1.65.1";
import { DemoServer } from "./demo_server.ts";

const chromiumPath = readChromiumPath();

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with scripts" : "without scripts";

  browserTest(`a visit in Chromium ${how}`, async (browser, server, test) => {
    const context = await browser.newContext({ javaScriptEnabled });
    const page = await context.newPage();

    await test.step("looking leaves nothing behind", async () => {
      await page.goto(server.url);
      assertEquals(await page.textContent("h1"), "Not logged in");
      assertEquals(await context.cookies(), []);
      assertEquals(server.list(), []);
    });

    await test.step("logging in makes a cookie and a file", async () => {
      await page.fill("input[name=name]", "Visitor");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText("Welcome! Visitor").waitFor();
      assertEquals(await page.textContent("h1"), "Hello, Visitor!");
      assertEquals(server.list().length, 1);
      const [cookie] = await context.cookies();
      assertEquals([cookie?.httpOnly, cookie?.sameSite], [true, "Lax"]);
    });

    await test.step("two tabs add at the same time, and nothing is lost", async () => {
      const other = await context.newPage();
      await other.goto(server.url);
      await page.fill("input[name=item]", "tea");
      await other.fill("input[name=item]", "milk");
      // Each opens the session three seconds before it commits it.
      await Promise.all([addSlowly(page), addSlowly(other)]);
      await page.goto(server.url);
      assertEquals((await listItems(page)).toSorted(), ["milk", "tea"]);
      await other.close();
    });

    await test.step("the counter counts", async () => {
      await page.getByRole("button", { name: "Count" }).click();
      await page.getByText("Counter: 1").waitFor();
      assertEquals(await page.textContent(".number"), "1");
    });

    await test.step("regenerate keeps the ID and changes the cookie", async () => {
      const [before] = await context.cookies();
      const id = await page.textContent("#session-id");
      const hash = await page.textContent("#secret-hash");
      await page.getByRole("button", { name: "Regenerate" }).click();
      await page.getByText("The cookie has another secret").waitFor();
      const [after] = await context.cookies();
      assertEquals(await page.textContent("#session-id"), id);
      assertNotEquals(await page.textContent("#secret-hash"), hash);
      assertNotEquals(after!.value, before!.value);
      assertEquals((await page.content()).includes(after!.value), false);
    });

    await test.step("going back to an order form orders nothing twice", async () => {
      await page.getByRole("link", { name: "Order" }).click();
      await page.getByRole("button", { name: "Order" }).click();
      await page.getByText("Ordered: ").waitFor();
      assertEquals(await listItems(page), []);
      await page.goBack();
      await page.getByRole("button", { name: "Order" }).click();
      await page.getByText("Nothing was ordered a second time").waitFor();
    });

    await test.step("logging out removes the cookie and the file", async () => {
      await page.goto(server.url);
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByText("Goodbye!").waitFor();
      assertEquals(await page.getByText("Goodbye!").isVisible(), true);
      assertEquals(await page.textContent("h1"), "Not logged in");
      assertEquals(await context.cookies(), []);
      assertEquals(server.list(), []);
    });
    await context.close();
  });
}

browserTest("markup stays text in Chromium", async (browser, server) => {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("dialog", (dialog) => {
    problems.push(dialog.message());
    return dialog.dismiss();
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => problems.push(message.text()));
  const marks = `"><img src=x onerror=alert(1)><script>alert(2)</script>`;

  await page.goto(server.url);
  await page.fill("input[name=name]", marks);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.fill("input[name=item]", marks);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText("Added: ").waitFor();
  assertEquals(await page.textContent("h1"), `Hello, ${marks}!`);
  assertEquals(await listItems(page), [marks]);
  assertEquals(await page.locator("script, [onerror]").count(), 0);
  // This includes complaints about a style or an icon that the policy forbids.
  assertEquals(problems, []);
});

browserTest(
  "a form on another site changes nothing",
  async (browser, server) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(server.url);
    await page.fill("input[name=name]", "Visitor");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("Welcome! Visitor").waitFor();

    using other = serveForm(`${server.url}/actions/logout`);
    await page.goto(other.url);
    await page.getByRole("button").click();
    await page.getByText("Refused").waitFor();
    await page.goto(`${other.url}/link`);
    await page.getByRole("link").click();
    await page.getByText("Refused").waitFor();
    assertEquals(server.list().length, 1);
    await page.goto(server.url);
    assertEquals(await page.textContent("h1"), "Hello, Visitor!");
    await context.close();
  },
);

/** Declares a test that gets a browser and a server of its own. */
function browserTest(
  name: string,
  act: (
    browser: Browser,
    server: DemoServer,
    test: Deno.TestContext,
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: chromiumPath === undefined,
    // playwright-core keeps timers and streams after the browser's end.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (test) => {
      const { chromium } = await import("npm:playwright-core@1.65.1");
      await using server = await DemoServer.start();
      const browser = await chromium.launch({
        executablePath: chromiumPath!,
        args: [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
      try {
        await act(browser, server, test);
      } finally {
        await browser.close();
      }
    },
  });
}

async function addSlowly(page: Page): Promise<void> {
  // No message to wait for: the other tab may be the one that reads it.
  const loaded = page.waitForEvent("load");
  await page.getByRole("button", { name: "Add in 3 seconds" }).click();
  await loaded;
}

async function listItems(page: Page): Promise<string[]> {
  return await page.locator(".cart li > span").allTextContents();
}

/** Serves another site: the same machine under another name. */
function serveForm(target: string): { url: string } & Disposable {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      new Response(
        url.endsWith("/link")
          ? `<a href="${target.replace("/actions", "")}">Click</a>`
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

/**
 * The page in a real browser: headless Chromium, driven by playwright-core.
 * Only `deno task test:browser` runs it and says in `CHROMIUM_PATH` where
 * Chromium is; otherwise these tests are ignored.
 */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  type Browser,
  type BrowserContextOptions,
  launchChromium,
  type Page,
} from "./chromium.ts";
import { DemoServer } from "./demo_server.ts";
import { takePictures } from "./pictures.ts";

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
      await press(page, "Log in", "Welcome! Visitor");
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
      await press(page, "Count", "Counter: 1");
      assertEquals(await page.textContent(".number"), "1");
    });

    await test.step("50 at once are all counted, and the page shows it", async () => {
      await press(
        page,
        "Count 50 at once",
        "50 requests at once were answered",
      );
      assertEquals(await page.textContent(".number"), "51");
      const cells = page.locator("#counter tbody tr").first().locator("td");
      assertEquals(await cells.allTextContents(), ["1", "51", "0"]);
    });

    await test.step("regenerate keeps the ID and changes the cookie", async () => {
      const [before] = await context.cookies();
      const id = await page.textContent("#session-id");
      const hash = await page.textContent("#secret-hash");
      await press(page, "Regenerate", "The cookie has another secret");
      const [after] = await context.cookies();
      assertEquals(await page.textContent("#session-id"), id);
      assertNotEquals(await page.textContent("#secret-hash"), hash);
      assertNotEquals(after!.value, before!.value);
      assertEquals((await page.content()).includes(after!.value), false);
    });

    await test.step("going back to an order form orders nothing twice", async () => {
      await page.getByRole("link", { name: "Order" }).click();
      await press(page, "Order", "Ordered: ");
      assertEquals(await listItems(page), []);
      await page.goBack();
      await press(page, "Order", "Nothing was ordered a second time");
    });

    await test.step("logging out removes the cookie and the file", async () => {
      await page.goto(server.url);
      await press(page, "Log out", "Goodbye!");
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
  await press(page, "Log in", "Welcome!");
  await page.fill("input[name=item]", marks);
  await press(page, "Add", "Added: ");
  assertEquals(await page.textContent("h1"), `Hello, ${marks}!`);
  assertEquals(await listItems(page), [marks]);
  assertEquals(await page.locator("script, [onerror]").count(), 0);
  // This includes complaints about a style or an icon that the policy forbids.
  assertEquals(problems, []);
});

browserTest(
  "two browsers: one signs the other out",
  async (browser, server) => {
    const agents = ["Firefox/140.0 (X11; Linux)", "Safari/605 (iPhone)"];
    const [one, other, third] = await Promise.all(
      [...agents, "curl"].map((userAgent) =>
        logIn(browser, server.url, { userAgent })
      ),
    ) as [Page, Page, Page];
    await one.reload();
    const devices = one.locator("#devices li");
    assertEquals(await devices.count(), 3);
    const safari = "Safari on iPhone";
    await press(one, `Sign out ${safari}`, `Signed out: ${safari}`);
    assertEquals(await devices.count(), 2);
    await other.reload();
    assertEquals(await other.textContent("h1"), "Not logged in");

    await press(one, "Sign out all others", "Other devices signed out: 1");
    assertEquals(await devices.allTextContents().then((all) => all.length), 1);
    await third.reload();
    assertEquals(await third.textContent("h1"), "Not logged in");
    assertEquals(await one.textContent("h1"), "Hello, Visitor!");
  },
);

browserTest("remember me gives the cookie a month", async (browser, server) => {
  const page = await logIn(browser, server.url);
  const context = page.context();
  const [forgotten] = await context.cookies();
  assertEquals(forgotten?.expires, -1); // when the browser closes
  await press(page, "Log out", "Goodbye!");
  await page.fill("input[name=name]", "Visitor");
  await page.getByLabel("Remember me").check();
  await press(page, "Log in", "Welcome! Visitor");
  const [kept] = await context.cookies();
  const days = (kept!.expires - Date.now() / 1000) / (24 * 60 * 60);
  assertEquals(Math.round(days), 30);
  assertStringIncludes(await page.innerText("#visitor"), "Remembered until");
});

browserTest(
  "a theft is seen once the secret was rotated",
  async (browser, server) => {
    const page = await logIn(browser, server.url);
    await press(page, "Copy the cookie", "A thief has a copy");
    await press(page, "Use the copy", "The thief is in");
    const id = await page.textContent("#session-id");
    const hash = await page.textContent("#secret-hash");
    await press(page, "Rotate the secret", "another secret");
    assertEquals(await page.textContent("#session-id"), id);
    assertNotEquals(await page.textContent("#secret-hash"), hash);
    await press(page, "Use the copy", "The session has ended");
    await page.getByRole("link", { name: "Back to the page" }).click();
    assertEquals(await page.textContent("h1"), "Not logged in");
    assertEquals(server.list(), []);
  },
);

browserTest(
  "sealing hides the data from the file beside it",
  async (browser, server) => {
    const page = await logIn(browser, server.url);
    await page.fill("input[name=item]", "a present");
    await press(page, "Add", "Added: a present");
    for (
      const [button, isClear] of [["Seal it", false], [
        "Store it in clear",
        true,
      ]] as const
    ) {
      await press(page, button, isClear ? "Stored in clear" : "Sealed");
      const [file, data] = [await page.innerText("#file"), "#data"];
      assertEquals(file.includes("a present"), isClear);
      assertStringIncludes(await page.innerText(data), "a present");
      // Beside, not below.
      const boxes = await Promise.all(
        ["#file", "#data"].map((name) => page.locator(name).boundingBox()),
      );
      assertEquals(boxes[0]!.y, boxes[1]!.y);
    }
  },
);

browserTest("a name that leads to the demo is refused", async (_, server) => {
  const rebound = server.url.replace("localhost", "rebound.example");
  const browser = await launchChromium(chromiumPath!, [
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
  ]);
  const page = await browser.newPage();
  const answer = await page.goto(rebound);
  assertEquals(answer?.status(), 421);
  assertStringIncludes(await page.innerText("h1"), "Refused");
  await browser.close();
});

browserTest("the code of a card opens by keyboard", async (browser, server) => {
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.locator("#counter summary").focus();
  await page.keyboard.press("Enter");
  assertStringIncludes(
    await page.innerText("#counter pre"),
    'session.update("counter", (n = 0) => n + 1)',
  );
  // Every button and link can be reached, and shows that it has the focus.
  const names: string[] = [];
  await page.goto(server.url);
  const all = await page.locator("a[href], button:enabled, input, summary")
    .count();
  for (let i = 0; i < all; i++) {
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    const outline = await page.evaluate(
      "getComputedStyle(document.activeElement).outlineStyle",
    );
    assertEquals(outline, "solid", await focused.innerHTML());
    names.push(await focused.innerText());
  }
  assertEquals(names[0], "@latchkey/session");
  assertEquals(names.at(-1), "/check_token");
});

browserTest(
  "nothing moves when a message comes or a number changes",
  async (browser, server) => {
    const page = await logIn(browser, server.url);
    const places = async () =>
      await page.evaluate(
        "[...document.querySelectorAll('section')].map((section) => [section.id, section.offsetTop, section.offsetHeight])",
      );
    const before = await places();
    await page.goto(server.url); // without the message
    assertEquals(await places(), before);
    const at = async () => await page.locator("#counter").boundingBox();
    await press(page, "Count", "Counter: 1");
    const card = await at();
    await press(page, "Count", "Counter: 2");
    assertEquals(await at(), card);
  },
);

browserTest(
  "the page fits narrow screens, light and dark",
  async (browser, server) => {
    for (const width of [320, 390, 768, 1200]) {
      for (const colorScheme of ["light", "dark"] as const) {
        const viewport = { width, height: 800 };
        const page = await logIn(browser, server.url, {
          viewport,
          colorScheme,
        });
        await press(page, "Count 50 at once", "were answered");
        for (const summary of await page.locator("summary").all()) {
          await summary.click();
        }
        const widest = await page.evaluate(
          "document.documentElement.scrollWidth",
        );
        assertEquals(widest, width);
        await page.context().close();
      }
    }
  },
);

browserTest(
  "the pictures of the page are made anew, and small",
  async (browser) => {
    using directory = new TemporaryDirectory();
    await takePictures(browser, directory.path);
    const made = directory.list();
    const kept = [...Deno.readDirSync("docs/images")].map(({ name }) => name);
    assertEquals(made, kept.filter((name) => name.startsWith("demo-")).sort());
    for (const name of made) {
      const sizes = [directory.join(name), `docs/images/${name}`]
        .map((path) => sizeOf(Deno.readFileSync(path)));
      assertEquals(sizes[0], sizes[1], `${name}: deno task pictures`);
    }
  },
);

browserTest(
  "a form on another site changes nothing",
  async (browser, server) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(server.url);
    await page.fill("input[name=name]", "Visitor");
    await press(page, "Log in", "Welcome! Visitor");

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
      await using server = await DemoServer.start();
      const browser = await launchChromium(chromiumPath!);
      try {
        await act(browser, server, test);
      } finally {
        await browser.close();
      }
    },
  });
}

/** Opens the page in a browser of its own, and logs in. */
async function logIn(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  await page.fill("input[name=name]", "Visitor");
  await press(page, "Log in", "Welcome! Visitor");
  return page;
}

/** Submits a form of a card, and waits for the page with the message that it leaves. */
async function press(
  page: Page,
  button: string,
  message: string,
): Promise<void> {
  // The history has no page that was left before it was loaded.
  await page.waitForLoadState();
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.locator(".notice, .message", { hasText: message }).waitFor();
  // A message is shown before the rest of the page is there.
  await page.waitForLoadState();
}

async function addSlowly(page: Page): Promise<void> {
  // The page that is there may be shown, and not loaded yet.
  await page.waitForLoadState();
  // No message to wait for: the other tab may be the one that reads it.
  const loaded = page.waitForEvent("load");
  await page.getByRole("button", { name: "Add in 3 seconds" }).click();
  await loaded;
}

async function listItems(page: Page): Promise<string[]> {
  return await page.locator("#cart li > span").allTextContents();
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

/** Reads the width and height of a PNG, which is not to be large. */
function sizeOf(png: Uint8Array): readonly number[] {
  assert(png.length < 200_000, `${png.length} bytes`);
  const view = new DataView(png.buffer, png.byteOffset);
  return [view.getUint32(16), view.getUint32(20)];
}

/** Returns nothing without the permission, as in a plain `deno test`. */
function readChromiumPath(): string | undefined {
  const variable = "CHROMIUM_PATH";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

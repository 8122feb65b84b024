import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { type Answer, CookieJar } from "./cookie_jar.ts";
import { DemoServer } from "./demo_server.ts";

const MARKS = `<script>alert("1")</script>'&amp;`;
const ESCAPED =
  "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;amp;";

function find(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`No ${pattern} in ${text}`);
  return found;
}

function listItems(text: string): string[] {
  const [, cart = ""] = /<section id="cart"([^]*?)<\/section>/.exec(text) ?? [];
  return [...cart.matchAll(/<li>\s*<span>(.*?)<\/span>/g)]
    .map(([, name]) => name!);
}

/** Sends a form of the page, and reads the page that follows. */
async function submit(
  jar: CookieJar,
  path: string,
  fields: Record<string, string> = {},
): Promise<string> {
  const answer = await jar.post(path, fields);
  assertEquals(answer.status, 303, `${path}: ${answer.text}`);
  const location = answer.headers.get("location")!;
  const { status, text } = await jar.get(location.split("#")[0]!);
  assertEquals(status, 200);
  return text;
}

Deno.test("looking at pages creates neither a file nor a cookie", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (
    const path of ["/", "/order", "/login", "/check", "/check_token", "/none"]
  ) {
    const { headers } = await jar.get(path);
    assertEquals(headers.getSetCookie(), [], path);
    assertEquals(server.list(), [], path);
  }
});

Deno.test("the page greets, counts, and says goodbye", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const welcome = await submit(jar, "/actions/login", { name: " Visitor " });
  assertStringIncludes(welcome, "Hello, Visitor!");
  assertStringIncludes(welcome, "Welcome! Visitor");
  assertEquals((await jar.get("/")).text.includes("Welcome! V"), false);

  assertStringIncludes(await submit(jar, "/actions/count"), "Counter: 1");
  assertStringIncludes(await submit(jar, "/actions/count"), "Counter: 2");
  const end = await jar.post("/actions/logout");
  assertEquals(end.headers.get("location"), "/#goodbye");
  assertEquals([server.list(), jar.cookie], [[], undefined]);
});

Deno.test("ten requests at once that add and count lose nothing", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/actions/login", { name: "Visitor" });
  const names = Array.from({ length: 10 }, (_, i) => `item ${i}`);
  await Promise.all(names.flatMap((item) => [
    jar.copy().post("/actions/add", { item }),
    jar.copy().post("/actions/count"),
  ]));

  const { text } = await jar.get("/");
  assertEquals(listItems(text).toSorted(), names);
  assertStringIncludes((await jar.get("/check")).text, "\ncounter: 10\n");
});

Deno.test("50 requests at once are all counted, and the page shows it before and after", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (const [before, after] of [[0, 50], [51, 101]] as const) {
    const page = await submit(jar, "/actions/count_many");
    assertStringIncludes(page, "50 requests at once were answered");
    const row = `<td>${before}</td><td>${after}</td><td>0</td>`;
    assertStringIncludes(page, `<code>update</code></th>${row}`);
    assertStringIncludes(
      await submit(jar, "/actions/count"),
      `: ${after + 1}<`,
    );
  }
  assertEquals(server.list().length, 1);
});

Deno.test("a user's devices are listed, and each can be signed out from another one", async () => {
  await using server = await DemoServer.start();
  const devices = ["Firefox/140.0 (X11; Linux)", "Edg/140 Chrome (Windows)"];
  const [one, other] = devices.map(() => new CookieJar(server.url)) as [
    CookieJar,
    CookieJar,
  ];
  const logIn = async (jar: CookieJar, agent: string) =>
    await jar.post("/actions/login", { name: "Visitor" }, {
      "user-agent": agent,
    });
  await logIn(one, devices[0]!);
  await logIn(other, devices[1]!);
  const page = (await one.get("/")).text;
  assertStringIncludes(page, "Firefox on Linux");
  assertStringIncludes(page, 'aria-label="Sign out Edge on Windows"');
  const id = find(page, /name="id" value="([^"]+)"/);

  const stranger = new CookieJar(server.url);
  assertEquals((await stranger.post("/actions/sign_out", { id })).status, 409);
  await stranger.post("/actions/login", { name: "Stranger" });
  assertEquals((await stranger.post("/actions/sign_out", { id })).status, 409);
  // Its own is what "Log out" is for.
  assertEquals((await other.post("/actions/sign_out", { id })).status, 409);
  assertStringIncludes((await other.get("/")).text, "Hello, Visitor!");

  const after = await submit(one, "/actions/sign_out", { id });
  assertStringIncludes(after, "Signed out: Edge on Windows");
  assertStringIncludes((await other.get("/")).text, "Not logged in");

  await logIn(other, devices[1]!);
  const alone = await submit(one, "/actions/sign_out_others");
  assertStringIncludes(alone, "Other devices signed out: 1");
  assertStringIncludes(alone, "Hello, Visitor!");
  assertStringIncludes((await other.get("/")).text, "Not logged in");
  assertStringIncludes((await stranger.get("/")).text, "Hello, Stranger!");
});

Deno.test("remember me keeps the session and its cookie for a month, a plain login does not", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const logIn = async (remember: string): Promise<string> => {
    const fields = { name: "Visitor", remember };
    const { headers } = await jar.post("/actions/login", fields);
    return headers.getSetCookie()[0]!;
  };
  assertStringIncludes(await logIn("on"), "; Max-Age=2592000");
  assertStringIncludes((await jar.get("/")).text, "Remembered until ");
  await jar.post("/actions/delete_old", { minutes: "0" });
  assertStringIncludes((await jar.get("/")).text, "Hello, Visitor!");

  assertEquals((await logIn("")).includes("Max-Age"), false);
  assertStringIncludes((await jar.get("/")).text, "until it closes");
});

Deno.test("a copied cookie opens the session until the secret is rotated, then ends it", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (const path of ["copy", "rotate", "use_copy"]) {
    assertEquals((await jar.post(`/actions/${path}`)).status, 409, path);
  }
  const before = await submit(jar, "/actions/login", { name: "Visitor" });
  const copied = await submit(jar, "/actions/copy");
  assertStringIncludes(copied, "A thief has a copy");
  assertStringIncludes(
    await submit(jar, "/actions/use_copy"),
    "The thief is in",
  );

  const after = await submit(jar, "/actions/rotate");
  const id = /id="session-id">([^<]+)/;
  const hash = /id="secret-hash">([^<]+)/;
  assertEquals(find(after, id), find(before, id));
  assertNotEquals(find(after, hash), find(before, hash));
  assertStringIncludes(after, "Hello, Visitor!");

  const end = await jar.post("/actions/use_copy");
  assertEquals(end.status, 200);
  assertStringIncludes(end.text, "The session has ended");
  assertEquals(server.list(), []);
  assertStringIncludes((await jar.get("/")).text, "Not logged in");
  server.signal("SIGTERM");
  const { stderr } = await server.end();
  assertStringIncludes(stderr, `type: "reused"`);
  assertStringIncludes(stderr, find(before, id));
});

Deno.test("a copied cookie opens nothing after regenerate, and ends nothing", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await submit(jar, "/actions/login", { name: "Visitor" });
  await submit(jar, "/actions/copy");
  await submit(jar, "/actions/regenerate");
  const page = await submit(jar, "/actions/use_copy");
  assertStringIncludes(page, "The copy opens nothing any more");
  assertStringIncludes(page, "Hello, Visitor!");
  await jar.post("/actions/logout");
  assertEquals((await jar.post("/actions/use_copy")).status, 409);
  const anew = await submit(jar, "/actions/count");
  assertEquals(anew.includes("A thief has a copy"), false);
});

Deno.test("sealing hides the data in the file, and the page shows both", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const never = await jar.post("/actions/seal", { seal: "on" });
  assertEquals([never.status, jar.cookie], [409, undefined]);

  await submit(jar, "/actions/add", { item: "tea for two" });
  const [id] = server.list() as [string];
  for (const seal of ["on", "off"]) {
    const isSealed = seal === "on";
    await submit(jar, "/actions/seal", { seal });
    const page = await submit(jar, "/actions/count");
    const file = server.read(id);
    assertEquals(file.includes("tea for two"), !isSealed);
    assertEquals(file.includes('"sealed"'), isSealed);
    const shown = (name: string): string =>
      find(page, new RegExp(`<pre id="${name}">([^]*?)</pre>`))
        .replaceAll("&quot;", '"');
    assertEquals(shown("file"), file);
    assertStringIncludes(shown("data"), "tea for two");
    await submit(jar, "/actions/rotate");
  }
});

Deno.test("an item can be removed once", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await submit(jar, "/actions/add", { item: "tea" });
  const page = await submit(jar, "/actions/add", { item: "milk" });
  const id = find(page, /name="id" value="([^"]+)"/);
  assertEquals(listItems(await submit(jar, "/actions/remove", { id })), [
    "milk",
  ]);
  assertEquals((await jar.post("/actions/remove", { id })).status, 409);
});

Deno.test("an order form works once, however often it is sent", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await submit(jar, "/actions/add", { item: "tea" });
  const form = (await jar.get("/order")).text;
  const token = find(form, /name="token" value="([^"]+)"/);
  const answers = await Promise.all(
    [1, 2, 3, 4].map(() => jar.copy().post("/actions/order", { token })),
  );
  const statuses = answers.map(({ status }) => status).toSorted();
  assertEquals(statuses, [303, 409, 409, 409]);
  const refused = answers.find(({ status }) => status === 409) as Answer;
  assertStringIncludes(refused.text, "Nothing was ordered a second time");

  const page = (await jar.get("/")).text;
  assertStringIncludes(page, "Ordered: tea");
  assertEquals(listItems(page), []);
  const never = await jar.post("/actions/order", { token: "" });
  assertEquals(never.status, 409);
});

Deno.test("regenerate keeps the ID and changes the cookie; the old one no longer works", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const before = await submit(jar, "/actions/login", { name: "Visitor" });
  const old = jar.copy();
  const after = await submit(jar, "/actions/regenerate");

  const id = /id="session-id">([^<]+)/;
  const hash = /id="secret-hash">([^<]+)/;
  assertEquals(find(after, id), find(before, id));
  assertNotEquals(find(after, hash), find(before, hash));
  assertStringIncludes(after, `The secret with the hash ${find(before, hash)}`);
  assertNotEquals(jar.cookie, old.cookie);
  assertStringIncludes((await old.get("/")).text, "Not logged in");
  assertStringIncludes((await jar.get("/")).text, "Hello, Visitor!");

  const stranger = new CookieJar(server.url);
  assertEquals((await stranger.post("/actions/regenerate")).status, 409);
  assertEquals(stranger.cookie, undefined);
});

Deno.test("the page shows the file as it is, without the secret", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const page = await submit(jar, "/actions/login", { name: "Visitor" });
  const [id] = server.list() as [string];
  assertEquals(find(page, /id="file-path">([^<]+)/).endsWith(`/${id}`), true);
  assertStringIncludes(page, "mode 0600");
  const shown = find(page, /<pre id="file">([^]*?)<\/pre>/)
    .replaceAll("&quot;", '"');
  assertEquals(shown, server.read(id));

  const secret = jar.cookie!.slice(-22);
  assertEquals(jar.cookie!.includes(id + secret), true);
  assertEquals(page.includes(secret) || shown.includes(secret), false);
});

Deno.test("delete old sessions shows its result, also without a session", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await submit(jar, "/actions/login", { name: "Visitor" });
  const page = await submit(jar, "/actions/delete_old", { minutes: "30" });
  assertStringIncludes(page, "Deleted: 0, Remaining: 1");
  const own = await jar.post("/actions/delete_old", { minutes: "0" });
  assertEquals(own.status, 200);
  assertStringIncludes(own.text, "Deleted: 1, Remaining: 0");
  assertEquals(server.list(), []);
  const bad = await jar.post("/actions/delete_old", { minutes: "-1" });
  assertEquals(bad.status, 400);
});

Deno.test("markup in names and items stays text", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const welcome = await jar.post("/login", { name: MARKS });
  assertStringIncludes(welcome.text, `Welcome! ${ESCAPED}`);
  await submit(jar, "/actions/login", { name: `${MARKS}2` });
  const page = await submit(jar, "/actions/add", { item: MARKS });
  assertStringIncludes(page, `Hello, ${ESCAPED}2!`);
  assertStringIncludes(page, `Added: ${ESCAPED}`);
  assertStringIncludes(page, `aria-label="Remove ${ESCAPED}"`);
  const order = await jar.get("/order");
  assertStringIncludes(order.text, `<li>${ESCAPED}</li>`);
  for (const text of [welcome.text, page, order.text]) {
    assertEquals(text.includes("<script"), false, text);
  }
});

Deno.test("a name cannot forge a line of /check", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/login", { name: "Visitor\r\ncounter: 99\u2028x" });
  const { text } = await jar.get("/check");
  assertStringIncludes(text, "user: Visitor counter: 99 x\ncounter: 0\n");
});

Deno.test("names, items and carts have their limits", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (const name of ["", "  \n", "x".repeat(61)]) {
    assertEquals((await jar.post("/login", { name })).status, 400);
    assertEquals((await jar.post("/actions/login", { name })).status, 400);
    assertEquals(
      (await jar.post("/actions/add", { item: name })).status,
      400,
    );
  }
  assertEquals(server.list(), []);

  const longest = "👩".repeat(60);
  for (let i = 0; i < 20; i++) {
    assertStringIncludes(
      await submit(jar, "/actions/add", { item: longest }),
      "Added: ",
    );
  }
  const full = await submit(jar, "/actions/add", { item: "one more" });
  assertStringIncludes(full, "The cart is full");
  assertEquals(listItems(full).length, 20);
});

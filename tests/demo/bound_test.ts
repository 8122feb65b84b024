import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { CookieJar } from "./cookie_jar.ts";
import { BoundVisitor } from "./bound_visitor.ts";
import { DemoServer } from "./demo_server.ts";

/** The card about bound sessions, of a page. */
function cardOf(page: string): string {
  return page.split('<section id="bound"')[1]!.split("<details>")[0]!;
}

/** The instants that a card shows. */
function timesOf(card: string): number[] {
  return [...card.matchAll(/datetime="([^"]+)"/g)]
    .map(([, iso]) => Date.parse(iso!));
}

Deno.test("over http a card says how to see sessions that are bound", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/actions/login", { name: "Visitor" });
  const card = cardOf((await jar.get("/")).text);
  assertStringIncludes(card, "deno task demo --cert FILE --key FILE");
  assertEquals(card.includes("<form"), false);
  assertEquals((await jar.post("/actions/steal")).status, 409);
});

Deno.test("over https a login binds the session, and the card shows the proofs", async () => {
  await using server = await DemoServer.startBound();
  using visitor = new BoundVisitor(server.url);
  const { browser } = visitor;
  assertStringIncludes(cardOf(await visitor.get("/")), "Not bound.");

  const before = Date.now();
  await visitor.post("/actions/login", { name: "Visitor" });
  const bound = cardOf(await visitor.get("/"));
  assertStringIncludes(bound, "Bound: ");
  const [proven, until] = timesOf(bound) as [number, number];
  assert(before <= proven && proven <= Date.now());
  assertEquals(until - proven, 330_000);

  assertEquals(await browser.refresh(browser.session!), undefined);
  const page = await visitor.get("/");
  const [again] = timesOf(cardOf(page)) as [number];
  assert(proven < again);
  assertStringIncludes(page, "Hello, Visitor!");
  assertMatch(page, /and longer with each proof/);
  await visitor.post("/actions/logout");
  assertStringIncludes(cardOf(await visitor.get("/")), "Not bound.");
});

Deno.test("a browser that cannot bind has a session over https all the same", async () => {
  await using server = await DemoServer.startBound();
  using visitor = new BoundVisitor(server.url);
  visitor.browser.isCapable = false;
  await visitor.post("/actions/login", { name: "Visitor" });
  const page = await visitor.get("/");
  assertStringIncludes(page, "Hello, Visitor!");
  assertStringIncludes(cardOf(page), "Not bound.");
});

Deno.test("a stolen cookie of a bound session stops working", async () => {
  await using server = await DemoServer.startBound();
  using visitor = new BoundVisitor(server.url);
  const { browser } = visitor;
  await visitor.post("/actions/login", { name: "Visitor" });
  const page = await visitor.post("/actions/steal");
  const line = /<pre id="stolen">([^<]+)</.exec(page)![1]!
    .replaceAll("&#39;", "'");
  assertEquals(line, `curl -k -b '${browser.pair}' ${server.url}/check`);
  const stolen = browser.pair!;
  const check = async () => await visitor.curl("/check", stolen);
  assertStringIncludes(await check(), "\nuser: Visitor\n");

  await browser.refresh(browser.session!);
  // In its grace, for 30 seconds or until the next one.
  assertStringIncludes(await check(), "\nuser: Visitor\n");
  await browser.refresh(browser.session!);
  assertStringIncludes(await check(), "\nuser: None\n");
  assertStringIncludes(await visitor.get("/"), "Hello, Visitor!");
});

Deno.test("what the other cards do, a bound session can over https, but seal", async () => {
  await using server = await DemoServer.startBound();
  using visitor = new BoundVisitor(server.url);
  await visitor.post("/actions/login", { name: "Visitor" });
  await visitor.post("/actions/count_many");
  await visitor.post("/actions/add", { item: "tea" });
  const refusal = await visitor.post("/actions/seal", { seal: "on" });
  assertStringIncludes(refusal, "What is bound is never sealed");
  await visitor.post("/actions/regenerate");
  const page = await visitor.get("/");
  assertStringIncludes(page, '<p class="number">50</p>');
  assertStringIncludes(cardOf(page), "Bound: ");
  assertEquals(page.includes('action="/actions/seal"'), false);
  assertEquals(page.includes('action="/actions/rotate"'), false);
  const [id] = server.list() as [string];
  assertStringIncludes(server.read(id), "tea");
});

import { assert, assertEquals, assertThrows } from "@std/assert";
import { CARDS, sourceOf } from "../../src/demo/cards.ts";
import { markup } from "../../src/demo/html.ts";
import { CookieJar } from "./cookie_jar.ts";
import { BoundVisitor } from "./bound_visitor.ts";
import { DemoServer } from "./demo_server.ts";

const SOURCES = ["actions.ts", "demo.ts"].map((name) =>
  Deno.readTextFileSync(new URL(`../../src/demo/${name}`, import.meta.url))
);

Deno.test("the code of a card is the source of an action, whole and with its comment", () => {
  for (const { name } of CARDS.flatMap(({ code }) => code)) {
    const code = sourceOf(name);
    assert(SOURCES.some((source) => source.includes(`\n\n${code}\n\n`)), name);
    assert(/^\/\*\*(?:(?!\*\/)[^])* \*\/\nexport [^]*[;}]$/.test(code), code);
    assertEquals(code.match(/^export /gm)?.length, 1);
  }
  assertThrows(() => sourceOf("tell"), Error, "not an export");
});

Deno.test("every card is on the page, with code that belongs to one of its actions", async () => {
  await using server = await DemoServer.start();
  const { text } = await new CookieJar(server.url).get("/");
  for (const { id, title, actions, code } of CARDS) {
    const card = text.split(`<section id="${id}"`)[1]?.split("</section>")[0]!;
    assert(card.includes(`<h2>${title}</h2>`), title);
    const shown = card.replaceAll(/<\/?b>/g, "");
    for (const { name } of code) {
      assert(shown.includes(markup`${sourceOf(name)}`.text), name);
    }
    const names = Object.values(actions).map(({ name }) => name);
    assert(code.some(({ name }) => names.includes(name)), title);
  }
});

Deno.test("every action of a card has a form that leads to it", async () => {
  await using server = await DemoServer.start();
  const [jar, other] = [1, 2].map(() => new CookieJar(server.url)) as [
    CookieJar,
    CookieJar,
  ];
  const pages = [(await jar.get("/")).text];
  await other.post("/actions/login", { name: "Visitor" });
  await jar.post("/actions/login", { name: "Visitor" });
  await jar.post("/actions/add", { item: "tea" });
  for (const path of ["/", "/order"]) pages.push((await jar.get(path)).text);
  await using bound = await DemoServer.startBound();
  using visitor = new BoundVisitor(bound.url);
  await visitor.post("/actions/login", { name: "Visitor" });
  pages.push(await visitor.get("/"));
  const forms = pages.flatMap((page) => [
    ...page.matchAll(/<form[^>]* action="\/actions\/(\w+)"/g),
  ]).map(([, name]) => name!);
  const actions = CARDS.flatMap(({ actions }) => Object.keys(actions));
  assertEquals([...new Set(forms)].sort(), actions.sort());
});

Deno.test("cards have names of their own, and so have their actions", () => {
  const ids = CARDS.map(({ id }) => id);
  const paths = CARDS.flatMap(({ actions }) => Object.keys(actions));
  for (const names of [ids, paths]) {
    assertEquals(names.length, new Set(names).size, names.join());
  }
});

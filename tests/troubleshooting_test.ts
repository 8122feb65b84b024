/** `docs/troubleshooting.md` has an entry for every message that it should. */

import { assert, assertEquals } from "@std/assert";
import { walkSync } from "@std/fs/walk";
import type { SessionEvent } from "../src/manager/events.ts";
import { PAGES, ROOT } from "./pages.ts";

/** In one line, without code's quotes. */
const PAGE = inOneLine(PAGES["docs/troubleshooting.md"]!);

/** A string or template, with what it is in it. */
const LITERAL = /"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/;
const CANNOT = new RegExp(`(?:${LITERAL.source})`, "g");

/** Code that sets stores up, beside the directory. */
const SETUP = [
  ...["kv", "postgres", "postgres_client", "redis", "redis_client"],
  ...["redis_setup", "sql", "sqlite"],
].map((name) => `src/engines/${name}.ts`);

function inOneLine(text: string): string {
  return text.replaceAll("`", "").replace(/\s+/g, " ");
}

function read(path: string): string {
  return Deno.readTextFileSync(ROOT + path);
}

/** What stays the same in a literal of code. */
function fixedWordsOf(literal: string): string[] {
  return inOneLine(literal.replaceAll("\\`", ""))
    .split(/\$\{.*?\}/)
    .map((part) => part.trim().replace(/^\W+$/, ""))
    .filter((part) => part !== "");
}

/** The parts of a message that the page lacks, in the order of the message. */
function lacks(literal: string): boolean {
  const escape = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return !new RegExp(fixedWordsOf(literal).map(escape).join(" ?…?.{0,9}…? ?"))
    .test(PAGE);
}

/** Each literal that a call of the error has as its state. */
function listStates(source: string): string[] {
  const calls = source.split("new SessionDirectoryError(").slice(1);
  return calls.map((call) => {
    const [, ...rest] = call.split(",");
    const state = rest.join(",").trimStart();
    const found = LITERAL.exec(state);
    const isLiteral = found?.index === 0;
    // The only one that is put together before.
    if (!isLiteral) assert(state.startsWith("state,"), state.slice(0, 40));
    return isLiteral ? found[1] ?? found[2]! : "";
  }).filter((state) => state !== "");
}

Deno.test("docs/troubleshooting.md: every message of a directory that is refused has an entry", () => {
  const states = [...walkSync(`${ROOT}src`, { exts: [".ts"] })]
    .flatMap(({ path }) => listStates(Deno.readTextFileSync(path)));
  assert(states.length >= 15, `only ${states.length} were found`);
  assertEquals(states.filter(lacks), []);
});

Deno.test("docs/troubleshooting.md: every message of a store that cannot be set up has an entry", () => {
  const messages = SETUP.flatMap((path) =>
    [...read(path).matchAll(CANNOT)]
      .map(([, text, template]) => text ?? template!)
      .filter((text) => /^Cannot .*: /s.test(text))
  );
  assert(messages.length >= 15, `only ${messages.length} were found`);
  assertEquals(messages.filter(lacks), []);
});

Deno.test("docs/troubleshooting.md: every event has a row", () => {
  const types: Record<SessionEvent["type"], true> = {
    ambiguous: true,
    invalid: true,
    misconfigured: true,
    refused: true,
    reused: true,
    skipped: true,
    unended: true,
    unopenable: true,
    unrotated: true,
  };
  for (const type of Object.keys(types)) {
    assert(PAGE.includes(`| "${type}" |`), type);
  }
});

Deno.test("docs/troubleshooting.md: every error that the package exports has a row", () => {
  const [, list = ""] = /\/\/ Errors\nexport \{(.*?)\}/s.exec(read("mod.ts"))!;
  const names = list.split(",").map((name) => name.trim()).filter((name) =>
    name !== "" && name !== "SessionError"
  );
  assert(names.length > 8);
  for (const name of names) assert(PAGE.includes(`| ${name} |`), name);
});

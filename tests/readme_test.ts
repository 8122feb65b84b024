/** What the pages cite, link to and show is there, and has the right types. */

import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { listUnrun, PAGES, ROOT } from "./pages.ts";
import { spawnDeno } from "./spawn.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

/** What a page says of a test: its file and, if any, its titles. */
const CITATION = /`([a-z0-9_/]+_test\.ts)`(?:: ((?:"[^"]+"(?:, )?)+))?/g;

/** The address of a link or a picture. */
const LINK = /\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"\s]+)"/g;

for (const [path, text] of Object.entries(PAGES)) {
  Deno.test(`every test that ${path} names is there`, () => {
    // A title may go on in the next line.
    for (
      const [, file, titles = ""] of text.replace(/\s+/g, " ").matchAll(
        CITATION,
      )
    ) {
      const source = Deno.readTextFileSync(`${ROOT}tests/${file}`);
      for (const [, title] of titles.matchAll(/"([^"]+)"/g)) {
        for (const part of title!.split("…")) {
          assert(
            source.includes(part.trim()),
            `${file} has no test "${title}"`,
          );
        }
      }
    }
  });

  Deno.test(`every file and heading that ${path} links to is there`, () => {
    const lacking = [...withoutCode(text).matchAll(LINK)]
      .map(([, link, source]) => link ?? source!)
      .filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link));
    assertEquals(lacking, []);
  });
}

Deno.test("the pages name the tests that show what they promise", () => {
  const citations = Object.values(PAGES).flatMap((text) => [
    ...text.matchAll(CITATION),
  ]);
  assert(citations.length >= 100, `only ${citations.length} were found`);
});

Deno.test("every attack that SECURITY.md lists is answered by a test", () => {
  const lists = PAGES["SECURITY.md"]!.split(/^## /m).filter((part) =>
    part.startsWith("Attacks")
  );
  const items = lists.flatMap((list) => list.split(/^- /m).slice(1));
  assert(items.length >= 20, `only ${items.length} were found`);
  for (const item of items) {
    assert(/_test\.ts`:\s+"/.test(item), `no test is named: ${item}`);
  }
});

Deno.test("every example that is not run has the right types", async () => {
  using directory = new TemporaryDirectory();
  const files = Object.keys(PAGES)
    // What it shows is run by the tests of frameworks.
    .filter((path) => path !== "docs/frameworks.md")
    .flatMap((path) =>
      listUnrun(path).map(({ name, code }) =>
        // Under its name others on its page may import it.
        [`${path}/${name}`, `${code}\nexport {};\n`] as const
      )
    );
  directory.writeFiles(Object.fromEntries(files));
  const { code, stderr } = await spawnDeno([
    "check",
    `--config=${ROOT}deno.json`,
    ...files.map(([path]) => directory.join(path)),
  ]).end();
  assertEquals(code, 0, stderr);
});

function leadsSomewhere(path: string, link: string): boolean {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? path : join(dirname(path), target);
  if (anchor === undefined) return exists(ROOT + file);
  const text = PAGES[file];
  return text !== undefined && listAnchors(text).includes(anchor);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Names the headings of a page as GitHub and JSR do. */
function listAnchors(text: string): string[] {
  return [...withoutCode(text, /^ *```.*?^ *```$/gms).matchAll(/^#+ (.+)$/gm)]
    .map(([, title]) =>
      title!
        .replace(/\]\([^)]*\)/g, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    );
}

/** Leaves out the code, by default also that inside a line. */
function withoutCode(
  text: string,
  code: RegExp = /^ *```.*?^ *```$|`[^`]*`/gms,
): string {
  return text.replace(code, "");
}

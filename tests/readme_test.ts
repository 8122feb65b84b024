import { assert } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** What a line of the README says of a test: its file and, if any, its titles. */
const CITATION = /`([a-z0-9_/]+_test\.ts)`(?:: ((?:"[^"]+"(?:, )?)+))?/g;

Deno.test("every test that the README names is there", () => {
  const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
  const citations = [...readme.matchAll(CITATION)];
  assert(citations.length >= 20, `only ${citations.length} were found`);
  for (const [, file, titles = ""] of citations) {
    const source = Deno.readTextFileSync(new URL(`tests/${file}`, ROOT));
    for (const [, title] of titles.matchAll(/"([^"]+)"/g)) {
      for (const part of title!.split("…")) {
        assert(source.includes(part.trim()), `${file} has no test "${title}"`);
      }
    }
  }
});

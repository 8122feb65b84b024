import { assert } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** What a document says of a test: its file and, if any, its titles. */
const CITATION = /`([a-z0-9_/]+_test\.ts)`(?:: ((?:"[^"]+"(?:, )?)+))?/g;

for (const document of ["README.md", "SECURITY.md"]) {
  Deno.test(`every test that ${document} names is there`, () => {
    const text = Deno.readTextFileSync(new URL(document, ROOT));
    // A title may go on in the next line.
    const citations = [...text.replace(/\s+/g, " ").matchAll(CITATION)];
    assert(citations.length >= 20, `only ${citations.length} were found`);
    for (const [, file, titles = ""] of citations) {
      const source = Deno.readTextFileSync(new URL(`tests/${file}`, ROOT));
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
}

Deno.test("every attack that SECURITY.md lists is answered by a test", () => {
  const text = Deno.readTextFileSync(new URL("SECURITY.md", ROOT));
  const lists = text.split(/^## /m).filter((part) =>
    part.startsWith("Attacks")
  );
  const items = lists.flatMap((list) => list.split(/^- /m).slice(1));
  assert(items.length >= 20, `only ${items.length} were found`);
  for (const item of items) {
    assert(/_test\.ts`:\s+"/.test(item), `no test is named: ${item}`);
  }
});

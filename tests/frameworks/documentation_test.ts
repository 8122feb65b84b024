/** `docs/frameworks.md` shows what is run, and says of it what was run. */

import { assertEquals } from "@std/assert";
import { walkSync } from "@std/fs/walk";
import { fromFileUrl } from "@std/path/from-file-url";

const ROOM = fromFileUrl(new URL(".", import.meta.url));
const PAGE = Deno.readTextFileSync(
  new URL("../../docs/frameworks.md", import.meta.url),
);

Deno.test("docs/frameworks.md has the text of each example, and no other", () => {
  const blocks = [...PAGE.matchAll(/^```ts ignore\n(.*?)^```$/gms)]
    .map(([, code]) => code!);
  const examples = ["examples", "projects"].flatMap((directory) =>
    [...walkSync(ROOM + directory, { exts: [".ts"] })]
      .map(({ path }) => loosen(Deno.readTextFileSync(path)))
  );
  assertEquals(blocks.sort(), examples.sort());
});

Deno.test("the table in docs/frameworks.md has what each framework lacks", () => {
  // Below the heading and its rule.
  const rows = [...PAGE.matchAll(/^\| (\S.*?) +\| (.*?) +\|$/gm)].slice(2)
    .map(([, name, lacks]) => `${name}: ${lacks}`);
  const tests = [...walkSync(ROOM, { match: [/_test\.ts$/] })].flatMap(
    ({ path }) =>
      Deno.readTextFileSync(path).split(/^ *testFramework\(/m).slice(1)
        .filter((call) => /^["`]/.test(call)).map(describeCall),
  );
  assertEquals(rows.sort(), tests.sort());
});

/** Versions are exact only where they are run. */
function loosen(source: string): string {
  return source
    .replace(/@(0\.)?(\d+)(?:\.\d+)+(?=[/"])/g, "@$1$2")
    // What CI can install.
    .replace("npm:@oakserver/oak@14", "jsr:@oak/oak@17");
}

/** Says what the call of a test lacks, as the table does. */
function describeCall(call: string): string {
  const [, name = ""] = /^["`]([^"`]+)["`]/.exec(call) ?? [];
  const [own = ""] = call.split(/^ *Deno\.test\(|^\S*function /m, 1);
  const [, lacks = ""] = /lacks: \[([^\]]*)\]/.exec(own) ?? [];
  const parts = lacks.replaceAll('"', "").trim().replace(/,$/, "");
  return `${name.replace(" ${version}", " 7, 8")}: ${parts || "-"}`;
}

import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../src/cli/main.ts";
import { STORE_OPTIONS } from "../../src/cli/open_store.ts";

const PAGE = Deno.readTextFileSync(
  new URL("../../docs/commands.md", import.meta.url),
);

Deno.test("docs/commands.md names every command and each of its options", () => {
  const lacking = COMMANDS.flatMap(({ name, summary, usage }) => {
    const options = usage.match(/--[a-z-]+/g) ?? [];
    const section = PAGE.split(/^## /m).find((part) =>
      part.split("\n", 1)[0]!.includes(`\`${name}\``)
    ) ?? "";
    const common = Object.keys(STORE_OPTIONS).map((option) =>
      `--${option}`
    );
    return [
      ...options.filter((option) =>
        !common.includes(option) && !section.includes(option)
      ).map((option) => `${name} ${option}`),
      ...PAGE.includes(`${summary} `) ? [] : [`${name}: ${summary}`],
    ];
  });
  assertEquals(lacking, []);
});

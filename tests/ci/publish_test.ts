import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const workflow = Deno.readTextFileSync(
  new URL(".github/workflows/publish.yml", ROOT),
);
const { version, tasks } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", ROOT)),
);

/** The commands of `deno` in the order of the workflow. */
const commands = [...workflow.matchAll(/^ .*?\bdeno ((?:task )?[a-z:]+)$/gm)]
  .map(([, command]) => command);

Deno.test("publish.yml publishes after check, tests and dry run, all of which are tasks", () => {
  assertEquals(commands, [
    "task deps",
    "task ok",
    "task test",
    "task test:deep",
    "publish",
  ]);
  for (const name of ["deps", "ok", "test", "test:deep"]) assert(name in tasks);
  assert(tasks.ok.command.includes("ok:publish"));
  assert(tasks["ok:publish"].command.includes("--dry-run"));
});

Deno.test("publish.yml may do no more than read the repository and get the token of its run", () => {
  const [, permissions] = /permissions:\n((?: {6}.+\n)+)/.exec(workflow)!;
  assertEquals(permissions!.trim().split(/\s*\n\s*/), [
    "contents: read",
    "id-token: write",
  ]);
  assert(!workflow.includes("secrets."), "a secret is not needed");
});

Deno.test("publish.yml takes the Deno that .ci/run takes", () => {
  const run = Deno.readTextFileSync(new URL(".ci/run", ROOT));
  const [, pinned] = /DENO_VERSION:=([\d.]+)/.exec(run)!;
  assert(workflow.includes(`deno-version: "${pinned}"`));
});

Deno.test("deno.json has a version that a tag can name", () => {
  assert(/^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/.test(version));
});

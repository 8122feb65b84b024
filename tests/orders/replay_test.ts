/*
 * A violation's message ends with the command that performs its order again:
 *
 *   deno task test orders --filter replay -- '{"opening":"live",…}' 'A A B …'
 */
import { assertInstanceOf } from "@std/assert";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { type Play, SessionPerformance, Violation } from "./play.ts";
import { Stage } from "./stage.ts";

async function replay(play: Play, order: readonly string[]): Promise<void> {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const performance = await SessionPerformance.begin(stage, play, new Map());
  for (const choice of order) {
    const actor = stage.actors.find(({ name }) => name === choice);
    console.log(choice, actor?.pending ?? "");
    await performance.take(choice);
  }
  if (performance.choices().length === 0) await performance.check();
}

Deno.test("replay of an order that the command line gives", async () => {
  const [play, order] = Deno.args;
  if (!play?.startsWith("{")) return;
  await replay(JSON.parse(play), order!.split(" "));
});

Deno.test("a violation says how it is replayed", async () => {
  const play: Play = { opening: "live", operations: ["load"] };
  const violation = new Violation(play, ["A", "A"], "something");
  const [, given, order] = /'(.*)' '(.*)'$/.exec(violation.message)!;
  await replay(JSON.parse(given!), order!.split(" "));
  assertInstanceOf(violation, Error);
});

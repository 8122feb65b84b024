/** The units of `docs/deploy.md`, read by systemd. */

import { assert, assertEquals } from "@std/assert";
import { runSync } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { isMissing, listBlocks, PAGE, replace } from "./page.ts";

const NAMES = ["app.service", "app-cleanup.service", "app-cleanup.timer"];

/** Writes the units with a Deno that is here. */
function writeUnits(directory: TemporaryDirectory): string[] {
  const units = listBlocks("ini");
  assertEquals(units.length, NAMES.length);
  directory.writeFiles(
    Object.fromEntries(
      units.map((unit, at) => [
        NAMES[at]!,
        unit.replaceAll("/usr/local/bin/deno", Deno.execPath()),
      ]),
    ),
  );
  return NAMES.map((name) => directory.join(name));
}

const ignore = isMissing("systemd-analyze", "--version");

Deno.test({
  name: "systemd finds nothing wrong with the units on the page",
  ignore,
  fn: () => {
    for (const name of NAMES) assert(PAGE.includes(`system/${name}`), name);
    using directory = new TemporaryDirectory();
    const paths = writeUnits(directory);
    const { code, stdout, stderr } = runSync("systemd-analyze", [
      "verify",
      "--man=no",
      ...paths,
    ]);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  },
});

Deno.test({
  name: "systemd would find what is wrong with a unit",
  ignore,
  fn: () => {
    using directory = new TemporaryDirectory();
    const [path] = writeUnits(directory);
    const unit = Deno.readTextFileSync(path!);
    Deno.writeTextFileSync(
      path!,
      replace(unit, { "TimeoutStopSec=30": "TimeoutStopSec=soon" }),
    );
    const { stderr } = runSync("systemd-analyze", ["verify", path!]);
    assert(stderr.includes("Failed to parse time value"), stderr);
  },
});

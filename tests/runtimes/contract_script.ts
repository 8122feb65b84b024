/**
 * Tests the contract of a store in any runtime; bundled. Prints a line for each
 * test that has passed, its title, and throws at the first that fails.
 */

import { argv } from "node:process";
import type { DeclareTest } from "../contract/contract.ts";
import { testContractAt } from "./contract_at.ts";

const tests: Parameters<DeclareTest>[] = [];
testContractAt(JSON.parse(argv[2]!), (...test) => tests.push(test));
for (const [title, test] of tests) {
  try {
    await test({ step });
  } catch (error) {
    throw new Error(title, { cause: error });
  }
  console.log(title);
}

/** As `step` of `Deno.test`, where an error ends the test. */
async function step(
  step: string | Deno.TestStepDefinition | ((t: Deno.TestContext) => unknown),
): Promise<boolean> {
  if (typeof step !== "object") throw new TypeError("a step is an object here");
  if (step.ignore) return true;
  await step.fn({ step } as unknown as Deno.TestContext);
  return true;
}

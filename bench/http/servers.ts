import { makePrivate } from "../harness/benchmark.ts";
import { Child, type Command, denoCommand } from "../harness/child.ts";
import { installForNode } from "../harness/install_for_node.ts";
import type { Contestant } from "./contestants.ts";

/** A contestant that can be started. */
export interface Server {
  /** Starts it; it answers with its ports. */
  start(): Child;
  /** Node with its version, where that runs it. */
  readonly node?: string;
}

/**
 * Makes a contestant's directory, and installs its packages for Node; those for
 * Deno are loaded when they are imported.
 *
 * @param base A directory for all of them.
 */
export async function prepareServer(
  { module, runtime, packages, directory }: Contestant,
  base: string,
): Promise<Server> {
  const sessions = await makePrivate(`${base}/${directory}`);
  const start = (command: Command) => () =>
    new Child(command, { NODE_ENV: "production" });
  if (runtime === "Deno") {
    const serve = new URL("serve.ts", import.meta.url);
    // As in Node, all permissions: with any list of them Deno looks up each
    // part of a path at each call, which is dearer than some calls.
    return { start: start(denoCommand(serve, [module, sessions])) };
  }
  const place = `${base}/node`;
  await Deno.mkdir(place);
  const server = new URL(`servers/${module}`, import.meta.url);
  const node = await installForNode(place, packages, [server]);
  return { start: start(["node", `${place}/express.mjs`, sessions]), node };
}

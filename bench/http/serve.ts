/*
 * One contestant under Deno, in a process of its own. Prints one line: "@" and
 * the ports of its handlers as JSON. Ends when its stdin does.
 *
 *   serve.ts MODULE DIRECTORY      a module of servers/, a directory
 */
import type { Open } from "./contestant.ts";

if (import.meta.main) {
  const [module, directory] = Deno.args;
  if (module === undefined || directory === undefined) {
    throw new TypeError("Cannot serve: which contestant, in which directory?");
  }
  const { open } = await import(`./servers/${module}.ts`) as { open: Open };
  const { make, read, change } = await open(directory);
  const listen = (handler: typeof make): number => {
    const onListen = () => {};
    const hostname = "127.0.0.1";
    return Deno.serve({ hostname, port: 0, onListen }, handler).addr.port;
  };
  const ports = {
    make: listen(make),
    read: listen(read),
    change: listen(change),
  };
  console.log(`@${JSON.stringify(ports)}`);
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
}

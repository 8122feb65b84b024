/*
 * One contestant under Deno, in a process of its own. Answers with the ports of
 * its handlers, see Child. Ends when its stdin does.
 *
 *   serve.ts MODULE DIRECTORY      a file of servers/, a directory
 */
import { answer } from "../harness/child.ts";
import type { Handler, Open } from "./contestants.ts";

if (import.meta.main) {
  const [module, directory] = Deno.args as [string, string];
  const { open } = await import(`./servers/${module}`) as { open: Open };
  const { make, read, change } = await open(directory);
  const listen = (handler: Handler): number => {
    const onListen = () => {};
    const hostname = "127.0.0.1";
    return Deno.serve({ hostname, port: 0, onListen }, handler).addr.port;
  };
  answer({ make: listen(make), read: listen(read), change: listen(change) });
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
}

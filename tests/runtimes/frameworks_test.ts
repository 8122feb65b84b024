/** The scenario of the frameworks that are made for `node:http`, on Node and Bun. */

import { testServer } from "../frameworks/deno_serve.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { missingRuntimes, RUNTIMES, Runtimes } from "./runtimes.ts";

let directory: TemporaryDirectory;
let runtimes: Runtimes;

if (missingRuntimes === undefined) {
  Deno.test.beforeAll(async () => {
    directory = new TemporaryDirectory();
    runtimes = await Runtimes.install(directory);
    await runtimes.bundle("frameworks_script.ts", "frameworks.mjs");
  });
  for (const runtime of RUNTIMES) {
    for (const framework of ["Express 5", "Fastify 5"]) {
      testServer(`${framework} on ${runtime}`, {
        start: async () => {
          const child = runtimes.start(runtime, "frameworks.mjs", framework);
          const url = await child.readLine() ?? "";
          return {
            url,
            [Symbol.asyncDispose]: async () => {
              // Of a task that is killed, the program would go on.
              await child.end();
            },
          };
        },
        lacks: ["immutable redirect", "handled error", "socket"],
      });
    }
  }
  Deno.test.afterAll(() => directory[Symbol.dispose]());
}

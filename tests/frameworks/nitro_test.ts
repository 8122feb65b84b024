/** The scenario in a server that Nitro has built, in a process of its own. */

// The version for packages that would take the newest one.
import type {} from "npm:vite@8.3.8";
import type { NitroApp } from "npm:nitro@3.0.0/types";
import { testServer } from "./deno_serve.ts";
import { sessions } from "./examples/sessions.ts";
import { startProject } from "./project.ts";

const HERE = new URL("./", import.meta.url).pathname;

const FILES = {
  "nitro.config.ts": `
    export default {
      preset: "standard",
      alias: { "@latchkey/session": import.meta.dirname + "/session.js" },
      errorHandler: ["./error.ts"],
    };`,
  "error.ts": `
    import { RefusedError } from "${HERE}parts.ts";
    import { sessions } from "./sessions.ts";
    export default (error, event) => {
      if (!(error.cause instanceof RefusedError)) return;
      sessions.of(event.req)?.discard();
      return new Response("refused", { status: 400 });
    };`,
  "server.ts": `
    import * as h3 from "nitro/h3";
    import { addRoutes } from "${HERE}h3_routes.ts";
    import { sessions } from "./sessions.ts";
    const app = new h3.H3();
    addRoutes(app, h3, sessions);
    export default app;`,
  "entry.js": `
    import server from "./.output/server/index.mjs";
    export default {
      fetch: (request) => server.fetch(request),
      onListen: ({ port }) => console.log("http://127.0.0.1:" + port),
    };`,
};

testServer("Nitro 3", {
  start: () =>
    startProject({
      name: "nitro",
      packages: { nitro: "npm:nitro@3.0.0" },
      files: FILES,
      build: ["npm:nitro@3.0.0", "build"],
    }),
});

/** For the compiler only: the plugin of the project. */
export function checkTypes(nitro: NitroApp): void {
  const { fetch } = nitro;
  nitro.fetch = (request, ...rest) =>
    request instanceof Request
      ? sessions.run(request, () => fetch(request, ...rest))
      : fetch(request, ...rest);
}

/** The scenario in a server that SvelteKit has built, in a process of its own. */

// The version for packages that would take the newest one.
import type {} from "npm:vite@8.3.8";
import type * as kit from "npm:@sveltejs/kit@3.2.0";
import type { Handle } from "npm:@sveltejs/kit@3.2.0/hooks";
import { testServer } from "./deno_serve.ts";
import { sessions } from "./examples/sessions.ts";
import type { IsSame, VisitSession } from "./parts.ts";
import { startProject } from "./project.ts";
import { makeRoutes } from "./sveltekit_routes.ts";

const HERE = new URL("./", import.meta.url).pathname;

const FILES: Record<string, string> = {
  "vite.config.js": `
    import { sveltekit } from "@sveltejs/kit/vite";
    export default {
      // Else it refuses what does not say where it comes from.
      plugins: [sveltekit({ csrf: { trustedOrigins: ["*"] } })],
      resolve: {
        alias: { "@latchkey/session": import.meta.dirname + "/session.js" },
      },
    };`,
  "src/app.html": "%sveltekit.head%%sveltekit.body%",
  "src/routes.ts": `
    import * as kit from "@sveltejs/kit";
    import { makeRoutes } from "${HERE}sveltekit_routes.ts";
    import { sessions } from "../sessions.ts";
    export const routes = makeRoutes(kit, sessions);`,
  // As adapters do it, with the check of the origin in front.
  "entry.js": `
    import { Server } from "./.svelte-kit/output/server/index.js";
    import { manifest } from "./.svelte-kit/output/server/manifest.js";
    import { isCrossOrigin } from "./session.js";
    const server = new Server(manifest);
    await server.init({ env: {} });
    export default {
      fetch: (request) =>
        isCrossOrigin(request)
          ? new Response(null, { status: 403 })
          : server.respond(request, { getClientAddress: () => "127.0.0.1" }),
      onListen: ({ port }) => console.log("http://127.0.0.1:" + port),
    };`,
};
// Only their paths matter here.
for (const route of Object.keys(makeRoutes({} as typeof kit, sessions))) {
  const [method, path] = route.split(" ");
  const [below, up] = path === "/" ? ["", ".."] : [path, "../.."];
  FILES[`src/routes${below}/+server.ts`] = `
    import { routes } from "${up}/routes.ts";
    export const ${method} = (event) => routes["${route}"](event);`;
}

testServer("SvelteKit 3", {
  // A hook gets a response in the place of an error.
  lacks: ["handled error"],
  start: () =>
    startProject({
      name: "sveltekit",
      packages: {
        "@sveltejs/kit": "npm:@sveltejs/kit@3.2.0",
        "@sveltejs/vite-plugin-svelte":
          "npm:@sveltejs/vite-plugin-svelte@7.3.1",
        svelte: "npm:svelte@5.57.3",
        vite: "npm:vite@8.3.8",
      },
      files: FILES,
      build: ["npm:vite@8.3.8", "build"],
    }),
});

/** For the compiler only: the hook of the project. */
export const handle: Handle = ({ event, resolve }) =>
  sessions.run(event.request, (session) => {
    const isSame: IsSame<typeof session, VisitSession> = true;
    // @ts-expect-error: there is no such key
    session.get("cart");
    return isSame && resolve(event);
  });

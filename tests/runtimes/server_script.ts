/**
 * What a server does with the package, in any runtime; bundled. The directory
 * store is the one thing there that only Deno can have.
 */

import {
  DirectorySessionStore,
  MemorySessionStore,
  SessionManager,
} from "../../mod.ts";

const sessions = new SessionManager<{ visits: number }>({
  store: new MemorySessionStore(),
  secrets: ["a secret of the server's own, long enough for it"],
});
let cookie = "";
for (let n = 0; n < 2; n++) {
  const request = new Request("http://localhost/", { headers: { cookie } });
  const response = await sessions.run(request, (session) => {
    const visits = session.update("visits", (n = 0) => n + 1);
    return new Response(`visits: ${visits}`);
  });
  console.log(await response.text());
  cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
}
try {
  new DirectorySessionStore("./sessions");
} catch (error) {
  console.log(String(error));
}

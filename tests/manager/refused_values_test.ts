/** What the error says about a value that a session cannot keep. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Session } from "../../src/session/session.ts";
import { serve, STORES } from "./session_server.ts";
import { type Data, requestWith } from "./set_up.ts";

/** What handlers do by mistake, and what the error says. */
const MISTAKES: Readonly<
  Record<string, [act: (session: Session<Data>) => void, message: string]>
> = {
  "a nested undefined": [
    (session) => {
      session.set("profile", { nick: "ann" });
      (session.get("profile") as { nick?: string | undefined }).nick =
        undefined;
    },
    'Cannot keep "profile" in a session: .nick is undefined; delete it, or use null',
  ],
  "a Date": [
    (session) => session.set("due", new Date()),
    'Cannot keep "due" in a session: it is an instance of Date; keep a plain value of it, or set the option types',
  ],
  "an asynchronous update": [
    // @ts-expect-error The types refuse it.
    (session) => session.update("n", () => Promise.resolve(1)),
    'Cannot keep "n" in a session: it is a Promise; await it before',
  ],
  "a Promise in a flash": [
    // @ts-expect-error The types refuse it.
    (session) => session.flash("notice", Promise.resolve("saved")),
    'Cannot keep the flash "notice" in a session: it is a Promise; await it before',
  ],
};

/** No codec, and one that takes anything at all. */
const CODECS = [undefined, { stringify: () => "{}", parse: () => ({}) }];

for (const medium of STORES) {
  for (const [what, [act, message]] of Object.entries(MISTAKES)) {
    Deno.test(`${medium}: the error at ${what} names the key and says what to do, and nothing is saved`, async () => {
      await using server = await serve(medium, {
        "/": (session) => {
          session.set("cart", ["tea"]);
          act(session);
          return new Response();
        },
      });
      const response = await server.get("/");
      assertEquals([response.status, await response.text()], [500, "failed"]);
      const handle = (session: Session<Data>) => {
        act(session);
        return new Response();
      };
      await assertRejects(
        () => server.manager.run(requestWith(null), handle),
        TypeError,
        message,
      );
      assertEquals((await server.records()).size, 0);
    });
  }
}

for (const types of CODECS) {
  Deno.test(`a Promise is refused ${types ? "also with" : "without"} a codec`, async () => {
    await using server = await serve("memory", {}, { types });
    const session = await server.manager.open(requestWith(null));
    const update = session.update.bind(session) as (
      key: string,
      change: () => unknown,
    ) => void;
    for (const key of ["n", "other"]) {
      assertThrows(
        () => update(key, () => Promise.resolve(1)),
        TypeError,
        `Cannot keep "${key}" in a session: it is a Promise; await it before`,
      );
    }
  });
}

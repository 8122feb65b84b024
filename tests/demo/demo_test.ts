import { assertEquals, assertStringIncludes } from "@std/assert";
import * as actions from "../../src/demo/actions.ts";
import { Demo } from "../../src/demo/demo.ts";
import { defaultStoreKind, openDemoStore } from "../../src/demo/demo_store.ts";
import { showHome } from "../../src/demo/pages.ts";
import { ID, recordOf } from "../constants.ts";
import { replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

Deno.test("Demo.visit() answers with 409 when the session ended meanwhile", async () => {
  using directory = new TemporaryDirectory();
  await using storage = await openDemoStore("directory", directory.path);
  const demo = new Demo(storage, false);
  const first = await demo.visit(
    new Request("http://localhost/"),
    (session) => {
      session.set("counter", 1);
      return new Response();
    },
  );
  const cookie = first.headers.getSetCookie()[0]!.split(";")[0]!;

  const request = new Request("http://localhost/", { headers: { cookie } });
  const second = await demo.visit(request, async (session) => {
    session.set("counter", 2);
    await storage.store.delete(session.id);
    return new Response("2");
  });
  assertEquals(second.status, 409);
  assertStringIncludes(await second.text(), "Nothing was saved");
  assertEquals(second.headers.getSetCookie(), []);
});

for (const kind of ["directory", "sqlite"] as const) {
  Deno.test(`the page shows what ${kind} stores only to the visitor whose it is by then`, async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join("sessions");
    await using storage = await openDemoStore(kind, path);
    await storage.store.setup();
    const logIn = async (demo: Demo, name: string, cookie = "") => {
      const form = new URLSearchParams({ name });
      const headers = { cookie };
      const request = new Request("http://localhost/", { headers });
      const response = await actions.logIn(demo, request, form);
      return response.headers.getSetCookie()[0]!.split(";")[0]!;
    };
    const plain = new Demo(storage, false);
    const cookie = await logIn(plain, "ann");
    const look = async (demo: Demo): Promise<string> => {
      const headers = { cookie };
      const request = new Request("http://localhost/", { headers });
      const page = await showHome(demo, request, new URLSearchParams());
      return await page.text();
    };
    assertStringIncludes(await look(plain), '<pre id="file">');
    // The cookie is copied; its owner logs in anew while the copy is used.
    const racing = new Demo({
      ...storage,
      view: async (id) => {
        await logIn(plain, "ann", cookie);
        return await storage.view(id);
      },
    }, false);
    const page = await look(racing);
    assertEquals(page.includes('<pre id="file">'), false);
    assertStringIncludes(page, "is yours");
  });
}

for (const kind of ["sqlite", "kv"] as const) {
  Deno.test(`openDemoStore() makes files of ${kind} that only their owner may read`, async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join("sessions");
    const names = ["sessions", "sessions-shm", "sessions-wal"];
    for (let round = 0; round < 2; round++) {
      await using storage = await openDemoStore(kind, path);
      await storage.store.save(ID, recordOf({ round }));
      assertEquals((await storage.view(ID))?.what, "Record");
      assertEquals(directory.list(), names);
      for (const name of names) {
        const { mode } = Deno.statSync(directory.join(name));
        assertEquals(mode! & 0o777, 0o600, name);
      }
    }
  });
}

Deno.test("the demo takes SQLite by itself on Windows, and a directory elsewhere", () => {
  for (const os of ["windows", "linux", "darwin"] as const) {
    using _replaced = replaceSystem({ os: () => os });
    const kind = os === "windows" ? "sqlite" : "directory";
    assertEquals(defaultStoreKind(), kind);
  }
});

import { type Adapter, importPackage } from "../contestant.ts";

interface Session {
  readonly data: unknown;
}

interface ReactRouterNode {
  createFileSessionStorage(options: { dir: string; cookie: object }): {
    getSession(cookieHeader: string): Promise<Session>;
    commitSession(session: Session): Promise<string>;
  };
}

interface ReactRouter {
  createCookie(name: string): { serialize(id: string): Promise<string> };
  createSession(data: object, id: string): Session;
}

const packages = { "@react-router/node": "8.5.1", "react-router": "8.5.1" };

export const adapter: Adapter = {
  name: "React Router",
  kind: "peer",
  note:
    "`createFileSessionStorage` of `@react-router/node`, a cookie without " +
    "signature; truncates in place, no lock, no touch",
  runtimes: ["Deno", "Node"],
  packages,
  async open(dir) {
    const { createCookie, createSession } = await importPackage<ReactRouter>(
      packages,
      "react-router",
    );
    const { createFileSessionStorage } = await importPackage<ReactRouterNode>(
      packages,
      "@react-router/node",
    );
    const name = "session";
    const storage = createFileSessionStorage({ dir, cookie: { name } });
    const { serialize } = createCookie(name);
    // What a browser sends; made once, because that is no work of a server.
    const cookies = new Map<string, string>();
    return {
      async load(id) {
        let cookie = cookies.get(id);
        if (cookie === undefined) {
          cookie = (await serialize(shortened(id))).split(";")[0]!;
          cookies.set(id, cookie);
        }
        return (await storage.getSession(cookie)).data;
      },
      async save(id, value) {
        await storage.commitSession(createSession(value, shortened(id)));
      },
      close() {},
    };
  },
};

/** It takes IDs of 16 digits only. */
function shortened(id: string): string {
  return id.slice(0, 16);
}

/** Real proxies with the configurations of `docs/deploy.md`, in front of a server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { isCrossOrigin } from "../../src/http/cross_origin.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { drawPort } from "../ports.ts";
import { Child, runSync } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { isMissing, listBlocks, replace } from "./page.ts";

/** A server behind a proxy, which tells what it sees. */
class Server implements AsyncDisposable {
  readonly #sessions = new SessionManager<{ visits: number }>({
    store: new MemorySessionStore(),
    cookie: { name: "__Host-latchkey" },
    trustProxy: true,
  });
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#answer(request),
  );
  /** Lets the stream go on. */
  readonly received: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Is resolved by the first bytes of an upload. */
  readonly begun: PromiseWithResolvers<void> = Promise.withResolvers();

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (isCrossOrigin(request, { trustProxy: true })) {
      return new Response("Forbidden", { status: 403 });
    }
    if (pathname === "/stream") {
      return new Response(inParts(this.received.promise));
    }
    if (pathname === "/upload") return new Response(await this.#read(request));
    if (pathname === "/socket") return await this.#upgrade(request);
    return await this.#sessions.run(request, (session) => {
      session.update("visits", (n = 0) => n + 1);
      const { headers } = request;
      return Response.json({
        visits: session.get("visits"),
        address: headers.get("x-forwarded-for"),
        protocol: headers.get("x-forwarded-proto"),
        host: headers.get("x-forwarded-host"),
      });
    });
  }

  async #read({ body }: Request): Promise<string> {
    let text = "";
    for await (const part of body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      this.begun.resolve();
    }
    return text;
  }

  async #upgrade(request: Request): Promise<Response> {
    const session = await this.#sessions.open(request);
    const { response, socket } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => {
      socket.send(`${data}: ${session.get("visits")}`);
      socket.close();
    };
    return response;
  }
}

/** A proxy under way. */
interface Proxy extends AsyncDisposable {
  readonly url: string;
  readonly client: Deno.HttpClient;
  /** Where it speaks plain http. */
  readonly plain: string;
}

/** How a proxy is started. */
interface Program {
  readonly name: string;
  /** Prints its version. */
  readonly version: string;
  readonly args: (file: string) => readonly string[];
  readonly env: (directory: string) => Record<string, string>;
  /** Writes its configuration. */
  readonly configure: (place: Place) => string;
  /** What it prints when it is ready. */
  readonly ready: RegExp;
}

interface Place {
  readonly directory: string;
  readonly server: number;
  readonly https: number;
  readonly http: number;
  readonly certificate: string;
  readonly key: string;
}

const NGINX: Program = {
  name: "nginx",
  version: "-v",
  args: (file) => ["-c", file],
  env: () => ({}),
  ready: /start worker process \d+/,
  configure: ({ directory, server, https, http, certificate, key }) => {
    const [page = ""] = listBlocks("nginx");
    const site = replace(page, {
      "127.0.0.1:8000": `127.0.0.1:${server}`,
      "listen 443 ssl": `listen 127.0.0.1:${https} ssl`,
      "listen 80;": `listen 127.0.0.1:${http};`,
      "/etc/ssl/app.example.com.pem": certificate,
      "/etc/ssl/app.example.com.key": key,
      "app.example.com": "localhost",
    });
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${directory}/${name};`).join("\n");
    // Else the workers of root's nginx may not enter the directory.
    return `user root;
daemon off;
pid ${directory}/pid;
error_log /dev/stdout notice;
events {}
http {
access_log off;
${paths}
${site}
}`;
  },
};

const CADDY: Program = {
  name: "caddy",
  version: "version",
  args: (file) => ["run", "--adapter", "caddyfile", "--config", file],
  env: (directory) => ({
    HOME: directory,
    XDG_CONFIG_HOME: directory,
    XDG_DATA_HOME: directory,
  }),
  ready: /serving initial configuration/,
  configure: ({ server, https, http, certificate, key }) => {
    const [page = ""] = listBlocks("caddyfile");
    const site = replace(page, {
      "app.example.com {": `https://localhost:${https} {
        bind 127.0.0.1
        tls ${certificate} ${key}`,
      "127.0.0.1:8000": `127.0.0.1:${server}`,
    });
    return `{
admin off
http_port ${http}
auto_https disable_redirects
log {
output stdout
}
}
${site}`;
  },
};

async function start(
  program: Program,
  directory: string,
  server: number,
): Promise<Proxy> {
  const certificate = `${directory}/certificate.pem`;
  const key = `${directory}/key.pem`;
  const { code, stderr } = runSync("openssl", [
    ...["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"],
    ...["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", key, "-out", certificate],
  ]);
  assertEquals(code, 0, stderr);
  for (;;) {
    const https = drawPort();
    const place = { directory, server, https, http: https + 1 };
    const file = `${directory}/configuration`;
    Deno.writeTextFileSync(
      file,
      program.configure({ ...place, certificate, key }),
    );
    const child = new Child(program.name, program.args(file), {
      cwd: directory,
      env: program.env(directory),
    });
    const lines: string[] = [];
    let line = await child.readLine();
    while (line !== undefined && !program.ready.test(line)) {
      lines.push(line);
      line = await child.readLine();
    }
    if (line === undefined) {
      const { stderr } = await child.end();
      const output = `${lines.join("\n")}${stderr}`;
      if (!/address already in use/i.test(output)) throw new Error(output);
      continue;
    }
    const client = Deno.createHttpClient({
      caCerts: [Deno.readTextFileSync(certificate)],
    });
    return {
      url: `https://localhost:${https}`,
      plain: `http://127.0.0.1:${place.http}`,
      client,
      async [Symbol.asyncDispose]() {
        client.close();
        child.kill("SIGTERM");
        await child.end(60_000);
      },
    };
  }
}

/** A body that is sent in two parts, of which the second waits. */
function inParts(waiting: Promise<void>): ReadableStream<Uint8Array> {
  return ReadableStream.from((async function* () {
    yield new TextEncoder().encode("one");
    await waiting;
    yield new TextEncoder().encode("two");
  })());
}

const isOpensslMissing = isMissing("openssl", "version");

for (const program of [NGINX, CADDY]) {
  const title = program === NGINX ? "nginx" : "Caddy";
  Deno.test({
    name: `${title}, as on the page: cookie, address, WebSocket and streams`,
    ignore: isOpensslMissing || isMissing(program.name, program.version),
    fn: async () => {
      using directory = new TemporaryDirectory();
      await using server = new Server();
      await using proxy = await start(program, directory.path, server.port);
      const { url, client } = proxy;
      const ask = (path: string, init: RequestInit = {}) =>
        fetch(url + path, { ...init, client });

      // What a client sends of the proxy's headers is dropped.
      const first = await ask("/", {
        headers: {
          "x-forwarded-proto": "http",
          "x-forwarded-for": "203.0.113.7",
          "x-forwarded-host": "evil.example",
        },
      });
      assertEquals(await first.json(), {
        visits: 1,
        address: "127.0.0.1",
        protocol: "https",
        host: new URL(url).host,
      });
      const [setCookie = ""] = first.headers.getSetCookie();
      assertMatch(setCookie, /^__Host-latchkey=.*; Secure(;|$)/);
      const cookie = setCookie.split(";")[0]!;
      const second = await ask("/", { headers: { cookie } });
      assertEquals((await second.json()).visits, 2);

      // Of a browser that does not send Sec-Fetch-Site.
      const post = async (origin: string) => {
        const headers = { origin };
        const response = await ask("/", { method: "POST", headers });
        await response.body?.cancel();
        return response.status;
      };
      assertEquals(await post(url), 200);
      assertEquals(await post("https://evil.example"), 403);

      const socket = new WebSocket(`${url.replace("http", "ws")}/socket`, {
        headers: { cookie },
        client,
      });
      const message = Promise.withResolvers<string>();
      const closed = Promise.withResolvers<void>();
      socket.onopen = () => socket.send("visits");
      socket.onmessage = ({ data }) => message.resolve(data);
      socket.onerror = (event) => message.reject(event);
      socket.onclose = () => closed.resolve();
      assertEquals(await message.promise, "visits: 2");
      await closed.promise;

      const stream = (await ask("/stream")).body!
        .pipeThrough(new TextDecoderStream()).getReader();
      assertEquals((await stream.read()).value, "one");
      server.received.resolve();
      assertEquals((await stream.read()).value, "two");
      assert((await stream.read()).done);

      // The server reads the first part before the second is sent.
      const body = inParts(server.begun.promise);
      const upload = await ask("/upload", { method: "POST", body });
      assertEquals(await upload.text(), "onetwo");

      if (program !== NGINX) return; // Caddy's redirect needs port 80
      const plain = await fetch(`${proxy.plain}/visit`, { redirect: "manual" });
      await plain.body?.cancel();
      assertEquals(plain.status, 301);
    },
  });
}

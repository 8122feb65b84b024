import { Demo } from "./demo.ts";
import { type DemoStoreKind, openDemoStore } from "./demo_store.ts";
import { fail } from "./layout.ts";
import { answer } from "./router.ts";

/** What {@linkcode serveDemo} takes. */
export interface DemoOptions {
  /** The address to listen at. */
  readonly hostname: string;
  /** The port to listen at; 0 for any free one. */
  readonly port: number;
  /** Which store it runs on. */
  readonly kind: DemoStoreKind;
  /** Where the sessions are kept: a path, or the URL of a server. */
  readonly where: string;
  /** Ends the server. */
  readonly signal: AbortSignal;
}

/**
 * Serves the demo until it is told to end, and prints one line when it is
 * ready. Requests that are under way then are answered.
 *
 * @param options See there.
 * @throws {SessionDirectoryError} If the directory cannot keep sessions.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export async function serveDemo(options: DemoOptions): Promise<void> {
  const { hostname, port, kind, signal } = options;
  await using place = await openDemoStore(kind, options.where);
  await place.store.setup();
  const demo = new Demo(place);

  const underWay = new Set<Promise<Response>>();
  const server = listen({
    hostname,
    port,
    onListen: (address) => {
      const host = hostname.includes(":") ? `[${hostname}]` : hostname;
      console.log(
        `Demo: http://${host}:${address.port}/ (sessions in ${place.where}, Ctrl-C ends)`,
      );
    },
    onError: (error) => {
      console.error(error);
      return fail(500, "Something went wrong; the terminal says what.");
    },
  }, (request) => {
    if (signal.aborted) return fail(503, "The demo is about to end.");
    const answered = answer(demo, request);
    underWay.add(answered);
    // Its failure is dealt with where the server awaits it.
    const forget = () => void underWay.delete(answered);
    answered.then(forget, forget);
    return answered;
  });
  const end = async () => {
    // A shutdown tears away the bodies of requests that were not yet read.
    await Promise.allSettled(underWay);
    await server.shutdown();
  };
  signal.addEventListener("abort", () => void end(), { once: true });
  if (signal.aborted) void end();
  await server.finished;
}

function listen(
  options: Deno.ServeTcpOptions,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve(options, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new Deno.errors.AddrInUse(
      `Cannot listen at ${options.hostname}:${options.port}: the port is taken (--port 0 finds a free one)`,
    );
  }
}

import { makeDataSet } from "../data_set.ts";
import { SECRET } from "./saver.ts";

/**
 * Sends requests to a server at a rate until their time is over.
 *
 * @param port Where it listens, on this machine.
 * @param options How many a second, and for how long.
 * @throws {Error} If an answer is none that a changed session gives.
 */
export async function askServer(
  port: number,
  { milliseconds, rate }: { milliseconds: number; rate: number },
): Promise<void> {
  const next = makeDataSet(500).walk();
  const url = `http://127.0.0.1:${port}/`;
  const start = performance.now();
  const asked = new Set<Promise<void>>();
  let count = 0;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const spent = performance.now() - start;
    if (spent >= milliseconds) break;
    for (; count < spent * rate / 1_000; count++) {
      const request = ask(url, `session=${next()}${SECRET}`);
      asked.add(request);
      request.then(() => asked.delete(request), () => {});
    }
  }
  await Promise.all(asked);
}

async function ask(url: string, cookie: string): Promise<void> {
  const response = await fetch(url, { headers: { cookie } });
  await response.body?.cancel();
  // A new session would have got a cookie: then nothing was measured.
  if (!response.ok || response.headers.has("set-cookie")) {
    throw new Error(`Cannot measure: the server answered ${response.status}`);
  }
}

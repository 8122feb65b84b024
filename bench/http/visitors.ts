import { inFlows } from "../harness/turns.ts";
import type { Action, Visit } from "./contestants.ts";
import type { Changes } from "./results.ts";

/** The ports of a contestant's handlers. */
export type Ports = Readonly<Record<Action | "make", number>>;

const FLOWS = 32;

/** Clients that each have a session of one contestant, with its real cookies. */
export class Visitors {
  readonly #ports: Ports;
  readonly #cookies: readonly string[];

  private constructor(ports: Ports, cookies: readonly string[]) {
    this.#ports = ports;
    this.#cookies = cookies;
  }

  /**
   * Lets a contestant make the sessions, and sees that it reads each of them.
   *
   * @param visits What the sessions hold; each gets an owner of its own.
   * @throws {Error} If one cannot be made or read.
   */
  static async arrive(
    ports: Ports,
    visits: readonly Visit[],
  ): Promise<Visitors> {
    const cookies = new Array<string>(visits.length);
    await inFlows(FLOWS, visits.length, async (n) => {
      const response = await fetch(urlOf(ports.make), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(visits[n]),
      });
      await response.body?.cancel();
      const [cookie] = response.headers.getSetCookie();
      if (!response.ok || cookie === undefined) {
        throw new Error(
          `Cannot make a session: status ${response.status}, ` +
            `cookie ${cookie !== undefined}`,
        );
      }
      cookies[n] = cookie.split(";", 1)[0]!;
    });
    const visitors = new Visitors(ports, cookies);
    const { found, ruined } = await visitors.count();
    if (found === 0 && ruined === 0) return visitors;
    throw new Error(
      `Cannot begin: ${ruined} sessions were not read, ${found} were changed`,
    );
  }

  /** Writes the cookies down, one a line. */
  async write(path: string): Promise<void> {
    await Deno.writeTextFile(path, this.#cookies.join("\n") + "\n");
  }

  /** Reads every session: how often all were changed, how many are ruined. */
  async count(): Promise<Pick<Changes, "found" | "ruined">> {
    let found = 0;
    let ruined = 0;
    await inFlows(FLOWS, this.#cookies.length, async (n) => {
      const count = await this.#ask("read", n);
      if (count === undefined) ruined++;
      else found += count;
    });
    return { found, ruined };
  }

  /**
   * Changes sessions in 32 flows, and awaits each answer, which wrk does not
   * when its time is over.
   *
   * @param steps Which ones, one after the other.
   * @returns How many changes were answered with success.
   */
  async change(steps: readonly number[]): Promise<number> {
    let acknowledged = 0;
    await inFlows(FLOWS, steps.length, async (step) => {
      const count = await this.#ask("change", steps[step]!);
      if (count !== undefined) acknowledged++;
    });
    return acknowledged;
  }

  /** Returns the session's count, or `undefined` when that is not the answer. */
  async #ask(action: Action, n: number): Promise<number | undefined> {
    const headers = { cookie: this.#cookies[n]! };
    const response = await fetch(urlOf(this.#ports[action]), { headers });
    const [owner, count] = (await response.text()).split(" ");
    return response.ok && owner === ownerOf(n) ? Number(count) : undefined;
  }
}

/** Names the owner of a session. */
export function ownerOf(n: number): string {
  return `owner-${n}`;
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}/`;
}

import { makeDataSet } from "../data_set.ts";
import { inFlows } from "../harness/turns.ts";
import type { Action, Visit } from "./contestants.ts";
import type { Changes } from "./results.ts";

/** The ports of a contestant's handlers. */
export type Ports = Readonly<Record<Action | "make", number>>;

/** How large a session is, in bytes. */
export const SIZE = 500;

const FLOWS = 32;

/** Clients that each have a session of one contestant, with its real cookies. */
export class Visitors {
  readonly #ports: Ports;
  readonly #cookies: string[] = [];

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /**
   * Lets the contestant make the sessions, and sees that it reads each of them.
   *
   * @param visits What the sessions hold; each gets an owner of its own.
   * @param path Where the cookies are written, one a line.
   * @throws {Error} If one cannot be made or read.
   */
  async arrive(visits: readonly Visit[], path: string): Promise<void> {
    await inFlows(FLOWS, visits.length, async (n) => {
      const response = await fetch(`http://127.0.0.1:${this.#ports.make}/`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(visits[n]),
      });
      await response.body?.cancel();
      const [cookie] = response.headers.getSetCookie();
      if (!response.ok || cookie === undefined) {
        const { status } = response;
        throw new Error(
          `Cannot make a session: status ${status}, cookie ${cookie}`,
        );
      }
      this.#cookies[n] = cookie.split(";", 1)[0]!;
    });
    const { found, ruined } = await this.count();
    if (found + ruined > 0) {
      throw new Error(
        `Cannot begin: ${ruined} sessions were not read, ${found} were changed`,
      );
    }
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
   * when its time ends.
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
    const url = `http://127.0.0.1:${this.#ports[action]}/`;
    const headers = { cookie: this.#cookies[n]! };
    const response = await fetch(url, { headers });
    const [owner, count] = (await response.text()).split(" ");
    return response.ok && owner === ownerOf(n) ? Number(count) : undefined;
  }
}

/** Makes what the sessions hold. */
export function makeVisits(): Visit[] {
  const { ids, record } = makeDataSet(SIZE);
  return ids.map((_, n) => ({ ...record.data, owner: ownerOf(n), count: 0 }));
}

/** Names the owner of a session. */
function ownerOf(n: number): string {
  return `owner-${n}`;
}

/*
 * One process of one contestant in Deno or Node. See protocol.ts.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { nameOf, scattered } from "../ids.ts";
import { inFlows } from "../harness/turns.ts";
import type { Adapter, Contestant, Given, Value } from "./contestant.ts";
import type { Cleanup, Column, Request, Tally } from "./protocol.ts";
import { changesOf, isWhole, valueOf, type Workload } from "./values.ts";

const FLOWS = 32;

type Kind = "load" | "touch" | "save" | "update";

class CorruptRead extends Error {}

async function serve(
  module: string,
  name: string,
  workload: string,
): Promise<void> {
  const { href } = new URL(module, import.meta.url);
  const { adapters } = await import(href) as { adapters: readonly Adapter[] };
  const runner = new Runner(
    adapters.find((adapter) => adapter.name === name)!,
    JSON.parse(readFileSync(workload, "utf8")) as Workload,
  );
  const answer = (answer: object) =>
    process.stdout.write(`@${JSON.stringify(answer)}\n`);
  answer({ done: null });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer({ done: await runner.do(JSON.parse(line)) ?? null });
    } catch (error) {
      answer({ error: String(error) });
    }
  }
  await runner.close();
  process.exit();
}

class Runner {
  readonly #adapter: Adapter;
  readonly #workload: Workload;
  readonly #stores: Contestant[] = [];

  constructor(adapter: Adapter, workload: Workload) {
    this.#adapter = adapter;
    this.#workload = workload;
  }

  do(request: Request): unknown {
    switch (request.act) {
      case "open":
        return this.#open(request);
      case "run":
        return this.#run(request);
      case "count":
        return this.#count(request);
      case "fill":
        return this.#stores[request.size]!.fill!(this.#given(request));
      case "clean":
        return this.#clean(request);
    }
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close?.();
  }

  async #open(request: Request & { act: "open" }): Promise<Column[]> {
    const { size, directory, sessions } = request;
    const store = await this.#adapter.open(directory);
    this.#stores[size] = store;
    const like = this.#workload.values[size]!;
    await inFlows(FLOWS, sessions, async (n) => {
      const id = this.#workload.ids[n]!;
      const value = valueOf(like, id, 0);
      await (store.create?.(id, value) ?? store.save(id, value));
    });
    const columns: Column[] = ["load", "save", "update", "mixed", "race"];
    if (store.touch !== undefined) columns.push("touch");
    if (store.clean !== undefined) columns.push("clean");
    if (store.fill !== undefined) columns.push("many");
    return columns;
  }

  async #run(request: Request & { act: "run" }): Promise<Tally> {
    const { column, size, sessions, turn, milliseconds, at } = request;
    const { ids, steps, values } = this.#workload;
    const store = this.#stores[size]!;
    const like = values[size]!;
    const tally: Tally = { ops: 0, milliseconds: 0, corrupt: 0, failed: 0 };
    const updates = new Array<number>(sessions).fill(0);

    // Two walks, so that what is done does not depend on the session.
    let step = turn * 1_009;
    let choice = turn * 1_013 + 7_919;
    const chance = (percent: number) =>
      steps[choice++ % steps.length]! % 100 < percent;
    let changes = turn;

    const check = (found: unknown, id: string): Value => {
      if (isWhole(found, like, id)) return found;
      throw new CorruptRead(`read ${JSON.stringify(found)?.slice(0, 80)}`);
    };
    // No promise of its own where the contestant needs none.
    const read = (found: unknown, id: string): unknown => {
      if (found instanceof Promise) return found.then((it) => check(it, id));
      return check(found, id);
    };
    const update = async (id: string): Promise<void> => {
      let isFound = false;
      const change = (found: unknown): Value => {
        isFound = true;
        return valueOf(like, id, changesOf(check(found, id)) + 1);
      };
      if (store.update !== undefined) await store.update(id, change);
      else await store.save(id, change(await load(id)));
      if (!isFound) throw new CorruptRead("an update found no session");
    };
    const load = async (id: string): Promise<unknown> => {
      try {
        return await store.load(id);
      } catch (error) {
        throw new CorruptRead(String(error));
      }
    };
    const operate: Record<Kind, (id: string) => unknown> = {
      load: (id) => read(store.load(id), id),
      touch: (id) => read(store.touch!(id), id),
      save: (id) => store.save(id, valueOf(like, id, ++changes)),
      update,
    };
    const next = (): number => {
      const now = step++;
      return (column === "many" ? scattered(now) : steps[now % steps.length]!) %
        sessions;
    };
    const kindOf = (): Kind => {
      if (column === "mixed") return chance(90) ? "load" : "save";
      if (column === "race") return chance(50) ? "load" : "update";
      return column === "many" ? "load" : column;
    };

    while (at !== undefined && Date.now() < at) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const begin = performance.now();
    const end = begin + milliseconds;
    const flows = column === "mixed" ? FLOWS : 1;
    await inFlows(flows, flows, async () => {
      do {
        const n = next();
        const id = column === "many" ? nameOf(n) : ids[n]!;
        const kind = kindOf();
        try {
          const done = operate[kind](id);
          if (done instanceof Promise) await done;
          tally.ops++;
          if (kind === "update") updates[n]!++;
        } catch (error) {
          const isRead = kind === "load" || kind === "touch" ||
            error instanceof CorruptRead || error instanceof SyntaxError;
          if (isRead) tally.corrupt++;
          else tally.failed++;
          tally.trouble ??= String(error);
        }
      } while (performance.now() < end);
    });
    tally.milliseconds = performance.now() - begin;
    return column === "race" ? { ...tally, updates } : tally;
  }

  *#given(request: Request & { act: "fill" }): Generator<Given> {
    const { size, from, to, isExpired } = request;
    const like = this.#workload.values[size]!;
    for (let n = from; n < to; n++) {
      const id = nameOf(n);
      yield { id, value: valueOf(like, id, 0), isExpired };
    }
  }

  async #clean({ size }: Request & { act: "clean" }): Promise<Cleanup> {
    const store = this.#stores[size]!;
    let last = performance.now();
    let pause = 0;
    const look = () => {
      const now = performance.now();
      pause = Math.max(pause, now - last);
      last = now;
    };
    const timer = setInterval(look, 1);
    const begin = last;
    const deleting = await store.clean!() ?? null;
    look();
    clearInterval(timer);
    const left = store.count?.() ?? null;
    return { milliseconds: last - begin, pause, deleting, left };
  }

  async #count(
    { size, sessions }: Request & { act: "count" },
  ): Promise<(number | null)[]> {
    const counts: (number | null)[] = [];
    for (const id of this.#workload.ids.slice(0, sessions)) {
      let found: unknown;
      try {
        found = await this.#stores[size]!.load(id);
      } catch {
        // It cannot be read, which counts as not whole.
      }
      const like = this.#workload.values[size]!;
      counts.push(isWhole(found, like, id) ? changesOf(found) : null);
    }
    return counts;
  }
}

const [, , module, name, workload] = process.argv;
await serve(module!, name!, workload!);

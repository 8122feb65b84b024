import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type PostgresClient,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import { replaceSystem } from "../replaced_system.ts";

for (const code of ["40001", "57P01"]) {
  Deno.test(`a statement that the server undoes again and again (${code}) is repeated for five seconds`, async () => {
    let now = 0;
    using _system = replaceSystem({
      monotonic: () => now,
      wait: (ms) => {
        now += ms + 1;
        return Promise.resolve();
      },
    });
    const error = Object.assign(new Error("undone"), { code });
    let count = 0;
    const client = {
      query: () => {
        count++;
        return Promise.reject(error);
      },
    } as unknown as PostgresClient;
    const thrown = await queryOf(client)("SELECT 1", []).catch((it) => it);
    assertStrictEquals(thrown, error);
    assert(now > 5_000 && now < 6_000, `${now}`);
    assert(count > 100, `${count}`);
  });
}

Deno.test("a statement that fails otherwise is not repeated", async () => {
  const error = new Error("no such table");
  let count = 0;
  const client = {
    query: () => {
      count++;
      return Promise.reject(error);
    },
  } as unknown as PostgresClient;
  const thrown = await queryOf(client)("SELECT 1", []).catch((it) => it);
  assertStrictEquals(thrown, error);
  assertEquals(count, 1);
});

/** The contract of stores, with nothing that only Deno has. */

import { type DeclareTest, testContract } from "../contract/contract.ts";
import {
  type ContractEngine,
  testEngineContract,
} from "../engines/engine_contract.ts";
import { openMemory } from "../engines/open_memory.ts";
import { type PostgresPlace, spoilPostgres } from "../engines/open_postgres.ts";
import { type RedisPlace, spoilRedis } from "../engines/open_redis.ts";
import { spoilSqlite, type SqlitePlace } from "../engines/open_sqlite.ts";

/**
 * Where the sessions of all tests are, as JSON; each test makes a place of its
 * own from it.
 */
export type ContractPlace =
  | { readonly kind: "memory" }
  | SqlitePlace
  | PostgresPlace
  | RedisPlace;

/** Declares the tests of the contract for the store that is there. */
export function testContractAt(place: ContractPlace, test: DeclareTest): void {
  const { kind } = place;
  if (kind === "memory") testContract(kind, openMemory, { test });
  else testEngineContract(kind, engineAt(place), test);
}

function engineAt(
  place: Exclude<ContractPlace, { kind: "memory" }>,
): ContractEngine {
  let places = 0;
  const make = () => {
    const end = `${++places}`;
    return Promise.resolve({
      place: numbered(place, end),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  };
  switch (place.kind) {
    case "sqlite":
      return {
        make,
        countsAll: true,
        spoil: (place, ...rest) => spoilSqlite(place as SqlitePlace, ...rest),
      };
    case "postgres":
      return {
        make,
        countsAll: true,
        spoil: (place, ...rest) =>
          spoilPostgres(place as PostgresPlace, ...rest),
      };
    case "redis":
      return {
        make,
        spoil: (place, ...rest) => spoilRedis(place as RedisPlace, ...rest),
      };
  }
}

/** Returns a place of one test. */
function numbered<P extends SqlitePlace | PostgresPlace | RedisPlace>(
  place: P,
  end: string,
): P {
  switch (place.kind) {
    case "sqlite":
      return { ...place, path: place.path + end };
    case "postgres":
      return { ...place, table: place.table + end };
    case "redis":
      return { ...place, prefix: place.prefix + end };
  }
}

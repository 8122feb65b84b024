/**
 * What earlier versions wrote, and this one, is read by this one. A version that
 * changes what it writes keeps the directories that are here, and gets one more:
 * `deno task formats`.
 */

import { assertEquals } from "@std/assert";
import {
  missing as missingPostgres,
  PostgresServer,
} from "../engines/postgres_server.ts";
import { missingRedis, RedisServer } from "../engines/redis_server.ts";
import { assertKept, type Kept } from "./kept_sessions.ts";
import { listMedia } from "./media.ts";

const HERE = new URL("./", import.meta.url).pathname;

let redis: RedisServer;
let postgres: PostgresServer;

if (missingRedis === undefined) {
  Deno.test.beforeAll(async () => {
    redis = await RedisServer.start();
  });
  Deno.test.afterAll(() => redis[Symbol.asyncDispose]());
}

if (missingPostgres === undefined) {
  Deno.test.beforeAll(async () => {
    postgres = await PostgresServer.start();
  });
  Deno.test.afterAll(() => postgres[Symbol.asyncDispose]());
}

const versions = [...Deno.readDirSync(HERE)]
  .filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();

for (const version of versions) {
  const read = (file: string) =>
    Deno.readTextFileSync(`${HERE}${version}/${file}`);
  for (const medium of listMedia(() => redis, () => postgres)) {
    const { file } = medium;
    Deno.test({
      name:
        `${version}/${file}: every session is what it was when it was written`,
      ignore: file.startsWith("redis") && missingRedis !== undefined ||
        file.startsWith("postgres") && missingPostgres !== undefined,
      fn: async () => {
        const kept: Kept = JSON.parse(read("sessions.json"));
        await using opened = await medium.open(read(file), kept.now);
        assertEquals(await opened.dump(), read(file));
        await assertKept(opened.store, kept);
      },
    });
  }
}

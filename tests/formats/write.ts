/**
 * Writes sessions as this version does, into a directory named after it: run by
 * `deno task formats` when the format has changed.
 */

import { PostgresServer } from "../engines/postgres_server.ts";
import { RedisServer } from "../engines/redis_server.ts";
import { makeSessions } from "./kept_sessions.ts";
import { listMedia } from "./media.ts";

const HERE = new URL("./", import.meta.url).pathname;
const { version } = JSON.parse(Deno.readTextFileSync(`${HERE}../../deno.json`));
const directory = `${HERE}${version}`;

await using redis = await RedisServer.start();
await using postgres = await PostgresServer.start();
Deno.mkdirSync(directory);
const kept = await makeSessions(async (from, now) => {
  for (const medium of listMedia(() => redis, () => postgres)) {
    await using opened = await medium.open(undefined, now);
    await opened.store.setup();
    for await (const [id, record, lastAccess] of from.entries()) {
      await opened.store.create(id, record, { lastAccess });
    }
    Deno.writeTextFileSync(`${directory}/${medium.file}`, await opened.dump());
  }
});
Deno.writeTextFileSync(
  `${directory}/sessions.json`,
  `${JSON.stringify(kept, undefined, 2)}\n`,
);

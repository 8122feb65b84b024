import { testEngine } from "./engine_suite.ts";
import { DRIVERS, type PostgresPlace, spoilPostgres } from "./open_postgres.ts";
import { PostgresScene } from "./postgres_scene.ts";
import { missing } from "./postgres_server.ts";

const scene = missing === undefined ? new PostgresScene() : undefined;

for (const driver of DRIVERS) {
  testEngine(`PostgresSessionStore on npm:${driver}`, {
    missing,
    isShared: true,
    countsAll: true,
    spoil: (place, id) => spoilPostgres(place as PostgresPlace, id),
    make: () => scene!.make(driver),
  });
}

/**
 * Node and Bun keep the contract of every store but that of directories, with
 * one bundle of the tests and the package.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  missing as missingPostgres,
  PostgresServer,
} from "../engines/postgres_server.ts";
import { missingRedis, RedisServer } from "../engines/redis_server.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { type ContractPlace, testContractAt } from "./contract_at.ts";
import { missingRuntimes, RUNTIMES, Runtimes } from "./runtimes.ts";

/** A store, and where it is. */
interface Case {
  readonly title: string;
  readonly missing?: string | undefined;
  /** Where its sessions are, for tests whose names begin so. */
  place(name: string): ContractPlace;
}

/** The same server, with the package by its name. */
const PACKAGE_SERVER = Deno.readTextFileSync(
  new URL("server_script.ts", import.meta.url),
).replace("../../mod.ts", "@latchkey/session");

/** Loads all of the package, as bundlers do that make one file of it. */
const LOADER = `
import { readdirSync } from "node:fs";
const root = import.meta.dirname + "/node_modules/@latchkey/session/";
const modules = readdirSync(root, { recursive: true })
  .filter((path) => path.startsWith("src/") && path.endsWith(".js"));
for (const path of modules) await import(root + path);
console.log(modules.includes("src/cli/main.js"));
`;

/** What checks types for Node. */
const TYPESCRIPT = {
  "typescript": "5.9.3",
  "@types/node": "24.19.4",
  "@types/deno": "2.7.0",
};

let directory: TemporaryDirectory;
let runtimes: Runtimes;
let redis: RedisServer;
let postgres: PostgresServer;

if (missingRuntimes === undefined) {
  Deno.test.beforeAll(async () => {
    directory = new TemporaryDirectory();
    runtimes = await Runtimes.install(directory, TYPESCRIPT);
    await runtimes.bundle("contract_script.ts", "contract.mjs");
    await runtimes.bundle("server_script.ts", "server.mjs");
    await runtimes.installPackage();
    directory.writeFiles({
      "package_server.ts": PACKAGE_SERVER,
      "loader.mjs": LOADER,
    });
    if (missingRedis === undefined) redis = await RedisServer.start();
    if (missingPostgres === undefined) postgres = await PostgresServer.start();
  });
  Deno.test.afterAll(async () => {
    if (missingPostgres === undefined) await postgres[Symbol.asyncDispose]();
    if (missingRedis === undefined) await redis[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });
}

const CASES: readonly Case[] = [
  { title: "MemorySessionStore", place: () => ({ kind: "memory" }) },
  ...[false, true].map((isBorrowed): Case => ({
    title: `SqliteSessionStore${isBorrowed ? ", borrowing a database" : ""}`,
    place: (name) => {
      const path = directory.join(`${name}-${isBorrowed}-`);
      return { kind: "sqlite", path, isBorrowed };
    },
  })),
  ...(["redis", "ioredis"] as const).map((client): Case => ({
    title: `RedisSessionStore, npm:${client}`,
    missing: missingRedis,
    place: (name) => {
      const prefix = `${name}-${client}-`;
      const { port } = redis;
      return { kind: "redis", client, port, prefix, isCluster: false };
    },
  })),
  ...(["pg", "postgres"] as const).map((driver): Case => ({
    title: `PostgresSessionStore on npm:${driver}`,
    missing: missingPostgres,
    place: (name) => {
      const { port } = postgres;
      return { kind: "postgres", driver, port, table: `${name}_${driver}_` };
    },
  })),
];

for (const name of RUNTIMES) {
  for (const { title, missing = missingRuntimes, place } of CASES) {
    Deno.test({
      name: `${name}: ${title} keeps the contract` +
        (missing === undefined ? "" : `: ${missing}`),
      ignore: missing !== undefined,
      fn: async () => {
        const at = place(name);
        const titles: string[] = [];
        testContractAt(at, (title) => titles.push(title));
        await using child = runtimes.start(
          name,
          "contract.mjs",
          JSON.stringify(at),
        );
        const { code, stdout, stderr } = await child.end();
        assertEquals(code, 0, `${stdout}${stderr}`);
        assertEquals(stdout, titles.map((title) => `${title}\n`).join(""));
      },
    });
  }

  for (
    const [how, module] of [
      ["", "server.mjs"],
      [", from the package that deno pack makes", "package_server.ts"],
    ] as const
  ) {
    Deno.test({
      name:
        `${name}: sessions are served, and DirectorySessionStore says that it needs Deno${how}`,
      ignore: missingRuntimes !== undefined,
      fn: async () => {
        await using child = runtimes.start(name, module);
        const { code, stdout, stderr } = await child.end();
        assertEquals(code, 0, stderr);
        assertEquals(stdout.trimEnd().split("\n"), [
          "visits: 1",
          "visits: 2",
          "Error: Cannot keep sessions in a directory: this needs Deno; take SqliteSessionStore",
        ]);
      },
    });
  }

  Deno.test({
    name: `${name}: no module of the package needs Deno where it is loaded`,
    ignore: missingRuntimes !== undefined,
    fn: async () => {
      await using child = runtimes.start(name, "loader.mjs");
      const { code, stdout, stderr } = await child.end();
      assertEquals(code, 0, stderr);
      assertEquals(stdout, "true\n");
    },
  });
}

Deno.test({
  name:
    "docs/frameworks.md: tsc misses the namespace Deno, and has it from @types/deno",
  ignore: missingRuntimes !== undefined,
  fn: async () => {
    const check = async (...types: string[]) => {
      directory.writeFiles({
        "tsconfig.json": JSON.stringify({
          compilerOptions: {
            noEmit: true,
            allowImportingTsExtensions: true,
            strict: true,
            module: "nodenext",
            target: "esnext",
            types,
          },
          files: ["package_server.ts"],
        }),
      });
      const tsc = "node_modules/typescript/bin/tsc --project";
      await using child = runtimes.start("node", tsc, "tsconfig.json");
      return (await child.end()).stdout;
    };
    assertEquals(await check("node", "deno"), "");
    const lacking = (await check("node")).trimEnd().split("\n");
    assertEquals(lacking.length, 1, lacking.join("\n"));
    assertStringIncludes(lacking[0]!, "Cannot find namespace 'Deno'");
  },
});

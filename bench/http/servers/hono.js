import { importPackage } from "../../harness/import_package.ts";
import { CONTESTANTS } from "../contestants.ts";

/** Loads Hono in the versions of a contestant, and a storage over files. */
export async function loadHono(module, directory) {
  const { packages } = CONTESTANTS.find((it) => it.module === module);
  const load = (name, path) => importPackage(packages, name, path);
  const { Hono } = await load("hono");
  const { createStorage } = await load("unstorage");
  const { default: driver } = await load("unstorage", "/drivers/fs");
  const storage = createStorage({ driver: driver({ base: directory }) });
  return { Hono, storage, load };
}

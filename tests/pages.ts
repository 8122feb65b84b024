/** The pages of the documentation, and the examples in them. */

import { fromFileUrl } from "@std/path/from-file-url";

/** The directory of the repository, with a slash. */
export const ROOT: string = fromFileUrl(new URL("../", import.meta.url));

/** The text of each page, by its path. */
export const PAGES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    ...[...Deno.readDirSync(`${ROOT}docs`)]
      .filter(({ name }) => name.endsWith(".md"))
      .map(({ name }) => `docs/${name}`),
  ].map((path) => [path, Deno.readTextFileSync(ROOT + path)]),
);

/** An example that `deno test --doc` leaves out. */
export interface Example {
  /** The file that its first line names; its number on the page without one. */
  readonly name: string;
  readonly code: string;
}

const UNRUN = /^ *```tsx? ignore\n(.*?)^ *```$/gms;
const NAME = /^ *\/\/ (\S+\.tsx?)\n/;
/** Versions are exact where they are run. */
const PACKAGES = [
  "npm:@opentelemetry/api@1.10.0",
  "npm:ioredis@5.11.1",
  "npm:pg@8.23.1",
  "npm:postgres@3.4.9",
  "npm:redis@5.12.1",
];

/** Returns the examples of a page that are marked `ignore`. */
export function listUnrun(path: string): Example[] {
  return listUnrunIn(PAGES[path]!);
}

/** Returns the examples of a text that are marked `ignore`. */
export function listUnrunIn(text: string): Example[] {
  return [...text.matchAll(UNRUN)].map(([, code = ""], index) => ({
    name: NAME.exec(code)?.[1] ?? `${index}.ts`,
    code: PACKAGES.reduce(
      (text, name) =>
        text.replaceAll(`"${name.replace(/\..*/, "")}"`, `"${name}"`),
      code,
    ),
  }));
}

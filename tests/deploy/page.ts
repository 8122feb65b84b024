/** What `docs/deploy.md` shows, and the programs that it is for. */

import { PAGES } from "../pages.ts";

/** The text of the page. */
export const PAGE: string = PAGES["docs/deploy.md"]!;

/** Returns the blocks of code of a language, in their order. */
export function listBlocks(language: string): string[] {
  const blocks = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...PAGE.matchAll(blocks)].map(([, code]) => code!);
}

/** Replaces what must be there. */
export function replace(
  text: string,
  changes: Readonly<Record<string, string>>,
): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${from} is not on the page`);
    return text.replaceAll(from, to);
  }, text);
}

/**
 * Tells whether a program cannot be run here.
 *
 * @param args What it is called with, to see that it is there.
 */
export function isMissing(program: string, ...args: string[]): boolean {
  try {
    new Deno.Command(program, { args, stdout: "null", stderr: "null" })
      .outputSync();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      console.log(`${program} is not installed: its tests are skipped`);
      return true;
    }
    throw error;
  }
}

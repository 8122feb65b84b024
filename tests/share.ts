/**
 * How much of an exhaustive search runs: all of it, or, after `-- share=WORD`,
 * the share that the word chooses. `deno task test` passes the commit, so that
 * the same commit searches the same share, and one after the other all of them.
 */

const MOST_SHARES = 8;

const WORD = Deno.args.find((arg) => arg.startsWith("share="))?.slice(6);

/**
 * Takes the part of a search that this run makes.
 *
 * @param all The members of the whole search.
 */
export function takeShare<T>(all: readonly T[]): readonly T[] {
  return WORD === undefined ? all : shareOf(all, WORD);
}

/**
 * Tells how many inputs of a random search this run tries.
 *
 * @param count How many the whole search tries.
 */
export function takeShareOf(count: number): number {
  return WORD === undefined ? count : Math.ceil(count / MOST_SHARES);
}

/**
 * Takes one share of a list: at least an eighth, and never nothing. Each member
 * is in exactly one of the shares, and neighbours are in different ones.
 *
 * @param word Chooses the share.
 */
export function shareOf<T>(all: readonly T[], word: string): readonly T[] {
  const least = Math.ceil(all.length / MOST_SHARES);
  const shares = Math.floor(all.length / least);
  const share = hash(word) % shares;
  return all.filter((_, at) => at % shares === share);
}

/** FNV-1a, 32 bits. */
function hash(word: string): number {
  let bits = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(word)) {
    bits = Math.imul(bits ^ byte, 0x01000193);
  }
  return bits >>> 0;
}

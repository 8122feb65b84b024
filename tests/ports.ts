const FIRST = 10_000;
const COUNT = 12_000;

/**
 * Draws a port for a server that cannot let the system choose, or that has to get
 * the same one again: below those that the system gives to others meanwhile, also
 * with 10,000 more, which a node of a Redis Cluster adds. It may be taken.
 */
export function drawPort(): number {
  return FIRST + Math.floor(Math.random() * COUNT);
}

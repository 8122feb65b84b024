/** For a clock of the engine, or of another machine, that differs. */
const SLACK = 60 * 60 * 1000;
/** No engine minds a century; a `Deno.Kv` minds three hundred millennia. */
const LONGEST = 100 * 365 * 24 * 60 * 60 * 1000;

/**
 * Tells how long an engine is to keep a row that it deletes by itself. That
 * only makes room: whether a session is over is decided when it is read, so an
 * hour more does no harm.
 *
 * @param endsAt When the session is over, in ms since the epoch; `null`, never.
 * @returns In whole milliseconds from now, or `undefined` for ever.
 */
export function expireIn(endsAt: number | null): number | undefined {
  if (endsAt === null) return undefined;
  const life = Math.max(endsAt - Date.now(), 0);
  return life > LONGEST ? undefined : Math.ceil(life) + SLACK;
}

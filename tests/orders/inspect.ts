import type { SessionRecord } from "../../src/core/record.ts";
import { hashSecret, parseToken } from "../../src/core/token.ts";
import { followRotation } from "../../src/manager/rotation.ts";
import { ID, OTHER_ID, SEALING, SECRET, USER } from "../constants.ts";
import type { Cast } from "./cast.ts";
import {
  openWorld,
  OTHER_SECRET,
  STRANGERS_ID,
  STRANGERS_SECRET,
} from "./world.ts";

const ENOUGH_CALLS = 1_000;

/**
 * Asks which sessions the user has, and opens with each cookie.
 *
 * @param cast Its stores are asked.
 * @param handedOut The tokens that the actors were given.
 * @param record The record of the session, if there is one.
 * @returns The IDs of the open ones; or what is wrong, as text.
 */
export async function inspect(
  cast: Cast,
  handedOut: readonly (string | undefined)[],
  record: SessionRecord | undefined,
): Promise<ReadonlySet<string> | string> {
  const { stage, opening } = cast;
  stage.isBlind = false;
  const { others } = openWorld(opening);
  const isInCompany = opening === "in company";
  const tokens = [
    ID + SECRET,
    ...handedOut.filter((token) => token !== undefined),
    ...("other" in others ? [OTHER_ID + OTHER_SECRET] : []),
    ...(isInCompany ? [STRANGERS_ID + STRANGERS_SECRET] : []),
  ];
  const inspector = await stage.enter("Z", async () => {
    const manager = cast.manager("Z");
    const listed = await manager.sessionsOf(USER);
    const opened: string[] = [];
    for (const token of tokens) {
      const session = await manager.open(cast.request(token));
      if (!session.isNew) opened.push(token);
    }
    return [listed.map(({ id }) => id), opened];
  });
  await stage.advance(inspector, ENOUGH_CALLS);
  const { outcome } = inspector;
  if (outcome === undefined || "error" in outcome) {
    return `the inspector failed: ${outcome?.error}`;
  }
  const [ids, opened] = outcome.value as [string[], string[]];
  const listed = new Set(ids);
  const wrong = tokens.find((token) => {
    const { id, secret } = parseToken(token)!;
    const fits = id !== ID || record !== undefined &&
        (hashSecret(secret) === record.secretHash ||
          followRotation(record, { id, secret }, SEALING.secrets) !==
            undefined);
    const isTheUsers = id === ID ? record?.user !== undefined : true;
    const isOpen = isTheUsers ? listed.has(id) : true;
    const isDue = id === STRANGERS_ID || fits && isOpen;
    return opened.includes(token) !== isDue;
  });
  if (wrong === undefined) return listed;
  return `of ${ids} the cookie of ${wrong.slice(0, ID.length)} opens ` +
    `${opened.includes(wrong) ? "one" : "none"}`;
}

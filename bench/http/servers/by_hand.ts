import { createHash } from "node:crypto";
import {
  createSecret,
  createSessionId,
  hashSecret,
} from "../../../src/core/token.ts";
import { Floors } from "../../floors.ts";
import {
  describe,
  type Handlers,
  type Open,
  type Visit,
} from "../contestant.ts";

/** What one of its files holds. */
export interface Kept {
  readonly createdAt: number;
  readonly secretHash: string;
  readonly data: Visit;
}

/** Keeps what `raise` makes of a session; `kept` is what was just read. */
export type Update = (
  id: string,
  kept: Kept,
  raise: (kept: Kept) => Kept,
) => void;

const TOKEN = /(?:^|; ?)session=([0-9a-f]{32})([A-Za-z0-9_-]{22})(?:;|$)/;

/** What somebody writes who needs no more than this, and knows how. */
export const open: Open = (directory) => {
  const floors = new Floors(directory);
  return byHand(
    floors,
    (id, _kept, raise) => floors.update(id, (now) => raise(now as Kept)),
  );
};

/**
 * Makes the handlers of somebody who writes them by hand.
 *
 * @param floors Works in the directory.
 * @param update How a session is changed.
 */
export function byHand(floors: Floors, update: Update): Handlers {
  const find = (request: Request): { id: string; kept: Kept } | undefined => {
    const cookie = request.headers.get("cookie");
    const token = cookie === null ? null : TOKEN.exec(cookie);
    if (token === null) return undefined;
    const [, id, secret] = token as unknown as [string, string, string];
    const hash = createHash("sha256").update(secret).digest("hex");
    const kept = floors.load(id) as Kept;
    // Hashes, so that how long this takes tells nothing about the secret.
    return kept.secretHash === hash ? { id, kept } : undefined;
  };
  return {
    async make(request) {
      const data = await request.json() as Visit;
      const id = createSessionId();
      const secret = createSecret();
      const secretHash = hashSecret(secret);
      floors.create(id, { createdAt: Date.now(), secretHash, data });
      const cookie = `session=${id}${secret}; Path=/; HttpOnly; SameSite=Lax`;
      return new Response(null, { headers: { "set-cookie": cookie } });
    },
    read(request) {
      const found = find(request);
      return found === undefined
        ? new Response(null, { status: 401 })
        : new Response(describe(found.kept.data));
    },
    change(request) {
      const found = find(request);
      if (found === undefined) return new Response(null, { status: 401 });
      let data = found.kept.data;
      update(found.id, found.kept, (kept) => {
        data = { ...kept.data, count: kept.data.count + 1 };
        return { ...kept, data };
      });
      return new Response(describe(data));
    },
  };
}

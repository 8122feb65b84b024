import { createHash } from "node:crypto";
import {
  createSecret,
  createSessionId,
  hashSecret,
} from "../../../src/core/token.ts";
import { Floors } from "../../floors.ts";
import { describe, type Open, type Visit } from "../contestants.ts";

/** What one of its files holds. */
interface Kept {
  readonly createdAt: number;
  readonly secretHash: string;
  readonly data: Visit;
}

const TOKEN = /(?:^|; ?)session=([0-9a-f]{32})([A-Za-z0-9_-]{22})(?:;|$)/;

/** What is written by hand where no more than this is needed. */
export const open: Open = (directory) => serve(new Floors(directory), false);

/** The same, with a new temporary file for each change. */
export const openAfresh: Open = (directory) =>
  serve(new Floors(directory), true);

function serve(floors: Floors, isAfresh: boolean): Awaited<ReturnType<Open>> {
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
    read: (request) => respond(find(request)?.kept.data),
    change(request) {
      const found = find(request);
      if (found === undefined) return respond(undefined);
      const { id, kept } = found;
      let { data } = kept;
      const raise = (kept: unknown) => {
        data = (kept as Kept).data;
        data = { ...data, count: data.count + 1 };
        return { ...kept as Kept, data };
      };
      // Afresh: one process, and no gap between the read and this loses nothing.
      if (isAfresh) floors.saveAfresh(id, raise(kept));
      else floors.update(id, raise);
      return respond(data);
    },
  };
}

function respond(visit: Visit | undefined): Response {
  return visit === undefined
    ? new Response(null, { status: 401 })
    : new Response(describe(visit));
}

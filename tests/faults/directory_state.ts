/** The content of a directory of sessions, as text that can be compared. */

import { decodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { isRevocationId } from "../../src/core/revocation.ts";
import { isSessionId } from "../../src/core/token.ts";
import {
  isLockName,
  parseEntry,
  temporaryBirth,
} from "../../src/directory/layout.ts";
import { recycledFiles } from "../../src/directory/atomic_file.ts";
import { followRotation } from "../../src/manager/rotation.ts";
import { openRecord } from "../../src/manager/sealed_record.ts";
import { ID, OTHER_ID, SEALING, SECRET, SECRET_HASH } from "../constants.ts";
import { describeIndex, putEntry } from "../index_state.ts";
import { lastAccessIn, setLastAccess } from "../session_file.ts";
import { layRecycled, LONG_AGO, type Scene, TEMPORARY_FOR } from "./scenes.ts";

/** See {@linkcode describeDirectory}. */
export interface DirectoryState {
  /** The files by their names, as in a scene's `after`. */
  readonly files: Readonly<Record<string, string>>;
  /**
   * The names of temporary files, without those of which the scene is about
   * and without the recycled file that this process keeps.
   */
  readonly temporaries: readonly string[];
  /** The names of lock files. */
  readonly locks: readonly string[];
}

/**
 * Puts the files of a scene into a directory, in place of everything but the
 * directory's marker. Sessions of users are in the index.
 */
export function layOut(directory: string, scene: Scene): void {
  for (const { name } of list(directory)) {
    if (name === ".latchkey") continue;
    Deno.removeSync(`${directory}/${name}`, { recursive: true });
  }
  if (scene.isWithoutDirectory) {
    Deno.removeSync(directory, { recursive: true });
  }
  layRecycled(directory, scene);
  for (const [name, bytes] of Object.entries(scene.files)) {
    const path = `${directory}/${name}`;
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    if (decodeRecord(name, bytes) === "unreadable") {
      // When the cleaner removes it, if it was set aside.
      Deno.utimeSync(path, new Date(LONG_AGO), new Date(LONG_AGO));
    } else setLastAccess(path, LONG_AGO);
  }
  if (scene.isWithoutIndex) return;
  const { missing } = describeIndex(directory);
  for (const name of [...missing, ...scene.staleEntries ?? []]) {
    putEntry(directory, parseEntry(name)!);
  }
}

/** Describes the content of a directory; nothing when it is missing. */
export function describeDirectory(
  directory: string,
  scene: Scene,
): DirectoryState {
  const files: Record<string, string> = {};
  const temporaries: string[] = [];
  const locks: string[] = [];
  for (const { name } of list(directory)) {
    // The files of setup are never removed.
    if (name === ".latchkey" || name === ".users") continue;
    if (isLockName(name)) {
      locks.push(name);
      continue;
    }
    if (`${directory}/${name}` === recycledFiles.get(directory)?.path) continue;
    const isKnown = name in scene.files || name === OTHER_ID ||
      name.replace(/\.bad$/, "") in scene.files || name === ID;
    if (!isKnown && temporaryBirth(name) !== undefined) temporaries.push(name);
    else {
      const shown = isRevocationId(name)
        ? "a revocation"
        : !isKnown && isSessionId(name)
        ? "a new session"
        : name;
      files[shown] = describeFile(`${directory}/${name}`, name);
    }
  }
  return { files, temporaries, locks };
}

/**
 * Describes a file: `n=1, long ago` for a record, with what is special about
 * it; `foreign, long ago`; `unreadable`. The part after the comma is the last
 * access.
 */
function describeFile(path: string, name: string): string {
  const found = decodeRecord(name, Deno.readFileSync(path));
  if (found === "unreadable") return found;
  const at = lastAccessIn(path)!;
  const when = at === LONG_AGO ? "long ago" : isNow(at) ? "now" : `at ${at}`;
  if (typeof found === "string") return `${found}, ${when}`;
  if (isRevocationId(name)) return `of a user, ${when}`;
  const { expiresAt, sealed } = found;
  const expired = expiresAt === LONG_AGO ? " expired" : "";
  const how = sealed === undefined ? "" : " sealed";
  const { n, secret } = open(name, found);
  return `n=${n}${how}${expired}${secret}, ${when}`;
}

/** Of all managers, also of those that have none. */
const SECRETS = [null, ...SEALING.secrets];

/** Opens a record with the first secret, or with its successor. */
function open(
  id: string,
  record: SessionRecord,
): { n: unknown; secret: string } {
  const { secretHash, sealed, data } = record;
  const next = followRotation(record, { id, secret: SECRET }, SECRETS);
  const secret = secretHash === SECRET_HASH
    ? ""
    : next === undefined
    ? " of a new secret"
    : " of a rotated secret";
  if (sealed === undefined) return { n: data.n, secret };
  const owner = { id, secret: next ?? SECRET };
  return {
    n: openRecord(record, owner, SEALING)?.record.data.n ?? "?",
    secret,
  };
}

/** Within this run of the tests, which has the same clock as the kernel. */
function isNow(at: number): boolean {
  return Math.abs(Date.now() - at) < TEMPORARY_FOR;
}

function list(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Finds files that are neither as before nor as expected afterwards: each file
 * on its own is the old or the new one.
 *
 * @param scene The scene that was played.
 * @param before The files before it.
 * @param now The files now.
 * @param hasThrown Whether it threw: a revocation that cannot be written deletes
 * what it finds all the same.
 * @returns What is wrong, as text; nothing when all is well.
 */
export function findTorn(
  { after, between = {}, first }: Scene,
  before: DirectoryState["files"],
  now: DirectoryState["files"],
  hasThrown = false,
): string[] {
  const names = new Set([before, after, now].flatMap(Object.keys));
  const isBegun = first === undefined || hasThrown ||
    now[first] === after[first];
  return [...names].filter((name) => {
    if (!isBegun && now[name] !== before[name]) return true;
    const isOneOfThem = [before, between, after].some((state) =>
      state[name] === now[name] && (state !== between || name in between)
    );
    // A file that is set aside is moved: it has one of two names at any time.
    const from = name.replace(/\.bad$/, "");
    const isLost = name !== from && from in before &&
      (from in now) === (name in now);
    return !isOneOfThem || isLost;
  }).map((name) =>
    `${name} is ${now[name]}; it was ${before[name]} and becomes ${after[name]}`
  );
}

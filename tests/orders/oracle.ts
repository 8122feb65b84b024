/*
 * Decides whether what actors answered, and what is on the disk afterwards,
 * can be explained: by some order in which each step of each operation took
 * effect at one instant between the actor's first call and its last. That is
 * linearizability (Herlihy and Wing, 1990); for two or three operations a
 * search over all orders is enough.
 */
import { decodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { isRevocationId } from "../../src/core/revocation.ts";
import { hashSecret, parseToken } from "../../src/core/token.ts";
import { followRotation } from "../../src/manager/rotation.ts";
import { isLockName } from "../../src/directory/layout.ts";
import { openRecord } from "../../src/manager/sealed_record.ts";
import { ID, OTHER_ID, SEALING, SECRET, SECRET_HASH } from "../constants.ts";
import type { Cast } from "./cast.ts";
import { inspect } from "./inspect.ts";
import { type Moment, type Operation, SILENT } from "./scenes.ts";
import {
  isPeopled,
  isRevoked,
  type Opening,
  openWorld,
  OTHER_HASH,
  ROTATED_HASH,
  STRANGERS_ID,
  TICK,
  type World,
} from "./world.ts";
import { describeIndex } from "../index_state.ts";
import { lastAccessIn } from "../session_file.ts";
import { type Actor, showOutcome, type Stage } from "./stage.ts";

const NAMES = [ID, OTHER_ID, STRANGERS_ID, ".latchkey", ".users"];
/** The ID of a session that a request begins. */
const NEW_ID = /^[0-9a-f]{32}$/;

/** An actor that has ended or was killed, and its operation. */
export interface Part {
  readonly actor: Actor;
  readonly operation: Operation;
}

/** What the actors began with. */
export interface Scenery {
  readonly opening: Opening;
  readonly isSealed?: boolean;
  readonly isBlind?: boolean;
}

/**
 * Looks for a violation when every actor has ended or was killed.
 *
 * @param cast Its stores are asked, where there are users.
 * @returns What is wrong, or `undefined`.
 */
export async function findViolation(
  cast: Cast,
  scenery: Scenery,
  parts: readonly Part[],
): Promise<string | undefined> {
  const { stage } = cast;
  const failed = parts.find(({ actor }) =>
    actor.outcome !== undefined && "error" in actor.outcome
  );
  if (failed !== undefined) {
    const { error } = failed.actor.outcome as { error: unknown };
    return `${failed.actor.name} failed: ${error}`;
  }
  const { opening, isSealed = false, isBlind = false } = scenery;
  const deaths = parts.filter(({ actor }) => actor.isDead).length;
  const files = [...Deno.readDirSync(stage.directory)].map(({ name }) => name);
  const recycledFiles = parts.filter(({ actor }) => !actor.isDead)
    .map(({ actor }) => actor.recycled?.path);
  const temporary = files.filter((name) =>
    name.startsWith(".tmp-") &&
    !recycledFiles.includes(`${stage.directory}/${name}`)
  );
  // An actor that was killed leaves the file that it was writing, and a second
  // name of the file that it was to replace, or its recycled file.
  if (temporary.length > 2 * deaths) return `left behind: ${temporary}`;
  // Also the lock file of its session.
  const locks = files.filter(isLockName);
  if (locks.length > deaths) return `left behind: ${locks}`;
  const isNew = (name: string) =>
    isPeopled(opening) && !NAMES.includes(name) && NEW_ID.test(name);
  const strange = files.filter((name) =>
    !NAMES.includes(name) && !name.startsWith(".tmp-") && !isLockName(name) &&
    !(isPeopled(opening) && isRevocationId(name)) && !isNew(name)
  );
  if (strange.length > 0) return `set aside or strange: ${strange}`;
  const { missing } = describeIndex(stage.directory);
  if (missing.length > 0) return `not in the index: ${missing}`;

  const record = readDisk(stage);
  if (record === "no record" || !isOtherWhole(stage)) {
    return "on the disk: no record";
  }
  const isDue = record !== undefined && isSealed;
  if (isDue && record.sealed === undefined) return "on the disk: in clear";
  const tokens = parts.map(tokenOf);
  const secrets = [ID + SECRET, ...tokens]
    .filter((token) => token?.startsWith(ID))
    .map((token) => token!.slice(ID.length));
  const isOpen = record === undefined || deaths > 0 ||
    secrets.some((secret) => hashSecret(secret) === record.secretHash);
  if (!isOpen) return "no actor was given the cookie that opens it";

  const session = record && toAbstract(stage, record, secrets);
  if (session?.list === undefined && record !== undefined && deaths === 0) {
    return "on the disk: sealed, and no cookie opens it";
  }
  const found: Found = { session, others: [] };
  if (isPeopled(opening)) {
    const listed = await inspect(cast, tokens, record);
    if (typeof listed === "string") return listed;
    const show = (id: string) => listed.has(id) ? "open" : "ended";
    if (session?.user !== undefined) session.status = show(ID);
    found.others = files.filter((name) => name === OTHER_ID || isNew(name))
      .map((id) => {
        const i = tokens.findIndex((token) => token?.startsWith(id));
        const owner = parts[i]?.actor.name ?? "a killed actor";
        return `${id === OTHER_ID ? "other" : owner} ${show(id)}`;
      }).sort();
  }
  const search: Search = {
    stage,
    opening,
    isSealed,
    isBlind,
    parts,
    found,
    failed: new Set(),
  };
  const positions = parts.map(() => ({
    next: 0,
    answered: 0,
    memory: undefined,
  }));
  return explains(search, openWorld(opening), positions, 0)
    ? undefined
    : `no order of ${parts.map(tell).join(", ")} leaves ${tellState(found)}`;
}

interface Search {
  readonly stage: Stage;
  readonly opening: Opening;
  readonly isSealed: boolean;
  readonly isBlind: boolean;
  readonly parts: readonly Part[];
  readonly found: Found;
  /** States from which no order was found. */
  readonly failed: Set<string>;
}

/** The state at the end. */
interface Found {
  /** The session on the disk; its list may be sealed for an actor that was killed. */
  readonly session: FoundSession | undefined;
  /** The user's other sessions, each with its status. */
  others: readonly string[];
}

interface FoundSession {
  readonly list: readonly string[] | undefined;
  readonly hash: string;
  readonly idleTimeout: number | undefined;
  readonly lastAccess: number;
  readonly user: string | undefined;
  /** Only where it has a user; `"ended"` when it was revoked. */
  status?: "open" | "ended";
}

/** Where a part stands in the order that is tried. */
interface Position {
  readonly next: number;
  readonly answered: number;
  readonly memory: unknown;
}

function explains(
  search: Search,
  world: World,
  positions: readonly Position[],
  clock: number,
): boolean {
  const { parts, stage, failed } = search;
  const isDone = (i: number) =>
    parts[i]!.actor.isDead ||
    positions[i]!.next === parts[i]!.operation.steps.length;
  if (parts.every((_, i) => isDone(i)) && isSame(search, world)) return true;
  const key = JSON.stringify([world, positions, clock]);
  if (failed.has(key)) return false;
  failed.add(key);

  return parts.some(({ actor, operation }, i) => {
    const position = positions[i]!;
    const step = operation.steps[position.next];
    if (step === undefined || actor.firstStep === undefined) return false;
    const isSecond = position.next >= (operation.second ?? Infinity);
    // A request that finds no session makes no call to commit.
    if (isSecond && actor.isDead && actor.secondStep === undefined) {
      return false;
    }
    const begin = (isSecond ? actor.secondStep : undefined) ?? actor.firstStep;
    const mustWait = parts.some((other, j) =>
      other.actor.lastStep >= 0 && !isDone(j) &&
      other.actor.lastStep <= begin
    );
    if (mustWait) return false;
    const last = actor.isDead ? stage.now : actor.ended;
    for (let now = Math.max(clock, actor.began); now <= last; now += TICK) {
      const { session: state, ...surroundings } = world;
      const moment: Moment = {
        ...surroundings,
        state,
        now,
        began: actor.began,
        ended: last,
        actor: actor.name,
        opening: search.opening,
        isSealed: search.isSealed,
        isBlind: search.isBlind,
        memory: position.memory,
      };
      for (const transition of step(moment)) {
        const { answer, memory, state: session, ...changed } = transition;
        const isHeard = answer !== SILENT;
        const isRight = !isHeard || actor.isDead ||
          isAnswer(actor, position.answered, answer);
        if (!isRight) continue;
        const answered = position.answered + (isHeard ? 1 : 0);
        const then = positions.with(i, {
          next: position.next + 1,
          answered,
          memory,
        });
        const next = { ...world, ...changed, session };
        if (explains(search, next, then, now)) return true;
      }
    }
    return false;
  });
}

function isAnswer(actor: Actor, index: number, answer: unknown): boolean {
  const { value } = actor.outcome as { value: unknown[] };
  return JSON.stringify(value[index]) === JSON.stringify(answer);
}

function isSame({ found, parts }: Search, world: World): boolean {
  const { session, revocations, revocationsOfIt } = world;
  const show = (isOver: boolean) => isOver ? "ended" : "open";
  const others = Object.entries(world.others).map(([name, since]) => {
    const owner = parts.find(({ actor }) => actor.name === name);
    const shown = owner?.actor.isDead ? "a killed actor" : name;
    return `${shown} ${show(since < revocations)}`;
  }).sort();
  const status = session?.user === undefined
    ? undefined
    : show(isRevoked(session, revocationsOfIt));
  const known = session && {
    list: found.session?.list && session.list,
    hash: session.hash,
    idleTimeout: session.idleTimeout,
    lastAccess: session.lastAccess,
    user: session.user,
    status,
  };
  return JSON.stringify([known, others]) ===
    JSON.stringify([found.session, found.others]);
}

/** The token that an actor was given, if it was given one. */
function tokenOf({ actor: { outcome } }: Part): string | undefined {
  const value = outcome !== undefined && "value" in outcome && outcome.value;
  return Array.isArray(value)
    ? value.find((it) => typeof it === "string" && parseToken(it) !== undefined)
    : undefined;
}

/** Whether the session beside it, if there is one, is whole. */
function isOtherWhole({ directory }: Stage): boolean {
  try {
    const bytes = Deno.readFileSync(`${directory}/${OTHER_ID}`);
    return typeof decodeRecord(OTHER_ID, bytes) !== "string";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function readDisk(stage: Stage): SessionRecord | undefined | "no record" {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(`${stage.directory}/${ID}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const record = decodeRecord(ID, bytes);
  return typeof record === "string" ? "no record" : record;
}

const OWNER = { id: ID, secret: SECRET };

function toAbstract(
  stage: Stage,
  record: SessionRecord,
  secrets: readonly string[],
): FoundSession {
  const { idleTimeout, secretHash, user } = record;
  const next = followRotation(record, OWNER, SEALING.secrets);
  const known = next === undefined ? secrets : [...secrets, next];
  const owner = known.find((secret) => hashSecret(secret) === secretHash);
  const opened = record.sealed === undefined
    ? record
    : owner === undefined
    ? undefined
    : openRecord(record, { id: ID, secret: owner }, SEALING)?.record;
  return {
    list: opened?.data.list as string[] | undefined,
    hash: secretHash === SECRET_HASH
      ? SECRET_HASH
      : next === undefined
      ? OTHER_HASH
      : ROTATED_HASH,
    idleTimeout,
    lastAccess: lastAccessIn(`${stage.directory}/${ID}`)!,
    user,
  };
}

function tell({ actor }: Part): string {
  return `${actor.name} → ${
    actor.outcome === undefined ? "killed" : showOutcome(actor.outcome)
  }`;
}

function tellState({ session, others }: Found): string {
  const told = session === undefined ? "no session" : JSON.stringify(session);
  return [told, ...others].join(", ");
}

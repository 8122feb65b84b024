/*
 * Decides whether what actors answered, and what is on the disk afterwards,
 * can be explained: by some order in which each step of each operation took
 * effect at one instant between the actor's first call and its last. That is
 * linearizability (Herlihy and Wing, 1990); for two or three operations a
 * search over all orders is enough.
 */
import { decodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { hashSecret } from "../../src/core/token.ts";
import { followRotation } from "../../src/http/rotation.ts";
import { openRecord } from "../../src/http/sealed_record.ts";
import { type Actor, showOutcome, type Stage } from "./stage.ts";
import {
  type Abstract,
  FIRST_HASH,
  ID,
  type Moment,
  openAbstract,
  type Opening,
  type Operation,
  OTHER_HASH,
  OTHER_ID,
  ROTATED_HASH,
  SEALING,
  SECRET,
  TICK,
} from "./scenes.ts";

const NAMES = [ID, OTHER_ID, ".latchkey"];

/** An actor that has ended or died, and what it was to do. */
export interface Part {
  readonly actor: Actor;
  readonly operation: Operation;
}

/** What the actors began with. */
export interface Scenery {
  readonly opening: Opening;
  readonly isSealed?: boolean;
}

/**
 * Looks for what is wrong once nobody acts any more.
 *
 * @returns What is wrong, or `undefined`.
 */
export function findViolation(
  stage: Stage,
  scenery: Scenery,
  parts: readonly Part[],
): string | undefined {
  const failed = parts.find(({ actor }) =>
    actor.outcome !== undefined && "error" in actor.outcome
  );
  if (failed !== undefined) {
    const { error } = failed.actor.outcome as { error: unknown };
    return `${failed.actor.name} failed: ${error}`;
  }
  const deaths = parts.filter(({ actor }) => actor.isDead).length;
  const files = [...Deno.readDirSync(stage.directory)].map(({ name }) => name);
  const spares = parts.filter(({ actor }) => !actor.isDead)
    .map(({ actor }) => actor.spare);
  const temporary = files.filter((name) =>
    name.startsWith(".tmp-") && !spares.includes(`${stage.directory}/${name}`)
  );
  // Of one that died: what it was writing, and a second name of what it was to
  // replace, or its spare.
  if (temporary.length > 2 * deaths) return `left behind: ${temporary}`;
  const strange = files.filter((name) =>
    !NAMES.includes(name) && !name.startsWith(".tmp-")
  );
  if (strange.length > 0) return `set aside or strange: ${strange}`;

  const record = readDisk(stage);
  if (record === "no record" || !isOtherWhole(stage)) {
    return "on the disk: no record";
  }
  const { opening, isSealed = false } = scenery;
  const isDue = record !== undefined && isSealed;
  if (isDue && record.sealed === undefined) return "on the disk: in clear";
  const secrets = secretsOf(parts);
  const isOpen = record === undefined || deaths > 0 ||
    secrets.some((secret) => hashSecret(secret) === record.secretHash);
  if (!isOpen) return "nobody was handed the cookie that opens it";

  const found = record && toAbstract(stage, record, secrets);
  if (found?.list === undefined && record !== undefined && deaths === 0) {
    return "on the disk: sealed for nobody";
  }
  const search: Search = { stage, opening, isSealed, parts, found };
  const places = parts.map(() => ({ next: 0, memory: undefined }));
  return explains(search, openAbstract(opening), places, 0)
    ? undefined
    : `no order of ${parts.map(tell).join(", ")} leaves ${tellState(found)}`;
}

interface Search {
  readonly stage: Stage;
  readonly opening: Opening;
  readonly isSealed: boolean;
  readonly parts: readonly Part[];
  readonly found: Found | undefined;
}

/** What lies on the disk; its list may be sealed for somebody who died. */
type Found = Omit<Abstract, "list"> & {
  readonly list: readonly string[] | undefined;
};

/** How far a part has come in the order that is tried. */
interface Place {
  readonly next: number;
  readonly memory: unknown;
}

function explains(
  search: Search,
  state: Abstract | undefined,
  places: readonly Place[],
  clock: number,
): boolean {
  const { parts, stage, found } = search;
  const isDone = (i: number) =>
    parts[i]!.actor.isDead ||
    places[i]!.next === parts[i]!.operation.steps.length;
  if (parts.every((_, i) => isDone(i)) && isSame(state, found)) return true;

  return parts.some(({ actor, operation }, i) => {
    const place = places[i]!;
    const step = operation.steps[place.next];
    if (step === undefined || actor.firstStep === undefined) return false;
    const mustWait = parts.some((other, j) =>
      other.actor.lastStep >= 0 && !isDone(j) &&
      other.actor.lastStep <= actor.firstStep!
    );
    if (mustWait) return false;
    const last = actor.isDead ? stage.now : actor.ended;
    for (let now = Math.max(clock, actor.began); now <= last; now += TICK) {
      const moment: Moment = {
        state,
        now,
        began: actor.began,
        ended: last,
        actor: actor.name,
        opening: search.opening,
        isSealed: search.isSealed,
        memory: place.memory,
      };
      for (const transition of step(moment)) {
        const { answer, memory } = transition;
        if (!actor.isDead && !isAnswer(actor, place.next, answer)) continue;
        const next = { next: place.next + 1, memory };
        if (explains(search, transition.state, places.with(i, next), now)) {
          return true;
        }
      }
    }
    return false;
  });
}

function isAnswer(actor: Actor, index: number, answer: unknown): boolean {
  const { value } = actor.outcome as { value: unknown[] };
  return JSON.stringify(value[index]) === JSON.stringify(answer);
}

function isSame(state: Abstract | undefined, found: Found | undefined) {
  if (state === undefined || found === undefined) return state === found;
  const { list } = found;
  const known = list === undefined ? { ...state, list } : state;
  return JSON.stringify(known) === JSON.stringify(found);
}

/** The secrets of all cookies: the one to begin with, and those handed out. */
function secretsOf(parts: readonly Part[]): string[] {
  const secrets = parts.map(({ actor: { outcome } }) => {
    const value = outcome !== undefined && "value" in outcome && outcome.value;
    return Array.isArray(value) ? value[2] : undefined;
  });
  return [SECRET, ...secrets.filter((secret) => typeof secret === "string")];
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

function toAbstract(
  stage: Stage,
  record: SessionRecord,
  secrets: readonly string[],
): Found {
  const { idleTimeout, secretHash } = record;
  const next = followRotation(record, ID, SECRET);
  const known = next === undefined ? secrets : [...secrets, next];
  const owner = known.find((secret) => hashSecret(secret) === secretHash);
  const opened = record.sealed === undefined
    ? record
    : owner === undefined
    ? undefined
    : openRecord(record, { id: ID, secret: owner }, SEALING);
  return {
    list: opened?.data.list as string[] | undefined,
    hash: secretHash === FIRST_HASH
      ? FIRST_HASH
      : next === undefined
      ? OTHER_HASH
      : ROTATED_HASH,
    idleTimeout,
    lastAccess: Deno.lstatSync(`${stage.directory}/${ID}`).mtime!.getTime(),
  };
}

function tell({ actor }: Part): string {
  return `${actor.name} → ${
    actor.outcome === undefined ? "dead" : showOutcome(actor.outcome)
  }`;
}

function tellState(state: Found | undefined): string {
  return state === undefined ? "no session" : JSON.stringify(state);
}

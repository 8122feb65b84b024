/*
 * The operations that are put on the stage, the sessions that they find there,
 * and the specification that says what they may answer: one abstract session,
 * each operation one step on it, a request several. Where somebody is logged
 * in, see also users.ts.
 */
import { decodeRecord, encodeRecord } from "../../src/core/codec.ts";
import { SessionGoneError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { hashSecret } from "../../src/core/token.ts";
import { SessionManager } from "../../src/http/manager.ts";
import type { SessionManagerOptions } from "../../src/http/manager_options.ts";
import { type Sealing, sealRecord } from "../../src/http/sealed_record.ts";
import type { Session } from "../../src/http/session.ts";
import { userTag } from "../../src/core/user_tag.ts";
import { temporaryPath } from "../../src/disk/layout.ts";
import { DirectorySessionStore } from "../../src/stores/directory_store.ts";
import { system } from "../../src/disk/system.ts";
import { putEntry } from "../index_state.ts";
import { type Stage, START } from "./stage.ts";

/** The session that everybody is after. */
export const ID = "0123456789abcdef0123456789abcdef";
/** A session beside it, which some save after it. */
export const OTHER_ID = "fedcba9876543210fedcba9876543210";
/** The secret that every request's cookie brings. */
export const SECRET = "AAAAAAAAAAAAAAAAAAAAAA";
/** Its hash. */
export const FIRST_HASH: string = hashSecret(SECRET);

/** Stands for the hash of a secret that replaced it by rotation. */
export const ROTATED_HASH = "rotated";
/** Stands for the hash of any other secret. */
export const OTHER_HASH = "another";

/** How records are sealed where they are. */
export const SEALING: Sealing = {
  isOn: true,
  secrets: ["a secret of the server's own, long enough for it"],
};

/** How far one tick moves the clock. */
export const TICK = 1_000;
const IDLE_TIMEOUT = 10 * TICK;
/** How long a session without a lifetime may lie unused. */
export const MINUTES = 30;
const UNUSED_FOR = MINUTES * 60_000;
const TOUCH_AFTER = 60_000;
/** Every record of a scene has had its first secret for so long. */
const ROTATE_EVERY = UNUSED_FOR;

/** What the actors find. */
export type Opening =
  | "live"
  | "missing"
  | "expired"
  | "ageing"
  | "unused"
  | Peopled;

/** Openings in which there are users. */
export type Peopled = "signed in" | "not signed in" | "in company";

/** Who is logged in where somebody is. */
export const USER = "ann";

/** Every opening, with what it is. */
export const OPENINGS: Record<Opening, string> = {
  live: "accessed just now",
  missing: "no file",
  expired: "its idle timeout is over",
  ageing: "one tick before its idle timeout is over",
  unused: `no lifetime of its own, not accessed for ${MINUTES} minutes`,
  "signed in": "a user's only one, accessed just now",
  "not signed in": "nobody's, accessed just now, and a user has another one",
  "in company": "a user's, who has another one, and so has a stranger",
};

/** Tells whether an opening is about users. */
export function isPeopled(opening: Opening): opening is Peopled {
  return ["signed in", "not signed in", "in company"].includes(opening);
}

/** One abstract session. */
export interface Abstract {
  readonly list: readonly string[];
  readonly hash: string | undefined;
  readonly idleTimeout: number | undefined;
  readonly lastAccess: number;
  readonly user: string | undefined;
  /** Which revocation was the last before its user logged in, from 1; or 0. */
  readonly since: number;
}

/** What there is beside the session. */
export interface Surroundings {
  /**
   * How often all sessions of the user were ended; as far as this one is
   * concerned, without those times when it was spared.
   */
  readonly revocations: number;
  readonly revocationsOfIt: number;
  /** The user's other sessions by name: each since which revocation. */
  readonly others: Readonly<Record<string, number>>;
}

/** Stands for the answer of a step that the caller hears nothing of. */
export const SILENT: unique symbol = Symbol("silent");

/** What a step may make of what there is, and answer. */
export interface Transition extends Partial<Surroundings> {
  readonly state: Abstract | undefined;
  readonly answer: unknown;
  /** What the actor's next step knows of this one. */
  readonly memory?: unknown;
}

/** An instant at which a step takes effect, and what it goes by. */
export interface Moment extends Surroundings {
  readonly state: Abstract | undefined;
  readonly now: number;
  /** The clock when the actor began. */
  readonly began: number;
  /** The clock when it had ended. */
  readonly ended: number;
  readonly actor: string;
  readonly opening: Opening;
  readonly isSealed: boolean;
  /** Whether whoever lists the directory finds nothing. */
  readonly isBlind: boolean;
  readonly memory: unknown;
}

/** One step of an operation: all that it is allowed to do at a moment. */
export type Step = (moment: Moment) => readonly Transition[];

/** An operation: how it is run, and what its steps may do. */
export interface Operation {
  /**
   * Answers with one answer for each step that is not silent; then the token of
   * the cookie, if one was handed out.
   */
  run(cast: Cast, actor: string): Promise<unknown[]>;
  readonly steps: readonly Step[];
  /** The first step of its second part, if that is to begin not before it does. */
  readonly second?: number;
}

/** A session that lies beside the one that everybody is after. */
export const OTHER_SECRET = "BBBBBBBBBBBBBBBBBBBBBB";
/** A session that is none of the user's. */
export const STRANGERS_ID = "89abcdef0123456789abcdef01234567";
export const STRANGERS_SECRET = "CCCCCCCCCCCCCCCCCCCCCC";
/** A name with the same tag as the user's, see `core/user_tag.ts`. */
const STRANGER = "guymatuy";

/** The stores of the actors: one each, as in processes of their own. */
export class Cast {
  readonly stage: Stage;
  readonly opening: Opening;
  /** Whether the records are sealed. */
  readonly isSealed: boolean;
  readonly #stores: Map<string, DirectorySessionStore>;

  constructor(
    stage: Stage,
    opening: Opening,
    stores: Map<string, DirectorySessionStore> = new Map(),
    isSealed = false,
  ) {
    this.stage = stage;
    this.opening = opening;
    this.isSealed = isSealed;
    this.#stores = stores;
  }

  /** The store of an actor; off stage it is made ready. */
  store(actor: string): DirectorySessionStore {
    let store = this.#stores.get(actor);
    if (store === undefined) {
      store = new DirectorySessionStore(this.stage.directory, {
        onWarning: () => {},
      });
      this.#stores.set(actor, store);
    }
    return store;
  }

  manager(
    actor: string,
    options: Partial<SessionManagerOptions> = {},
  ): SessionManager<{ list: string[] }> {
    return new SessionManager<{ list: string[] }>({
      store: this.store(actor),
      touchAfter: TOUCH_AFTER,
      now: () => system.now(),
      seal: this.isSealed,
      secrets: SEALING.secrets,
      ...options,
    });
  }

  /** What the session's file lists; `undefined` when there is none. */
  list(): unknown {
    try {
      const bytes = Deno.readFileSync(`${this.stage.directory}/${ID}`);
      const record = decodeRecord(ID, bytes);
      return typeof record === "string" ? record : record.data.list;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** A request with a session's cookie. */
  request(token: string = ID + SECRET): Request {
    const headers = { cookie: `session=${token}` };
    return new Request("http://localhost/", { headers });
  }

  /**
   * Puts a spare for an actor into the directory, so old that a cleaner would
   * collect it.
   */
  laySpare(actor: string): string {
    const { directory } = this.stage;
    const birth = START - 2 * 60 * 60_000;
    const random = actor.toLowerCase().repeat(32);
    const path = temporaryPath(directory, birth, random);
    const bytes = encodeRecord(ID, { ...ownRecord("spare", "unused") });
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    Deno.utimeSync(path, new Date(birth), new Date(birth));
    return path;
  }

  /** Empties the directory and puts there what the opening begins with. */
  async set(actors: readonly string[]): Promise<void> {
    const { stage, opening } = this;
    stage.clear();
    for (const actor of actors) await this.store(actor).setup();
    const mark = `${stage.directory}/.latchkey`;
    Deno.writeTextFileSync(mark, "");
    Deno.utimeSync(mark, new Date(START), new Date(START));
    const { session } = openWorld(opening);
    if (session !== undefined) {
      const record = firstRecord(opening);
      const owner = { id: ID, secret: SECRET };
      const kept = this.isSealed ? sealRecord(record, owner, SEALING) : record;
      this.#lay(ID, kept, session.lastAccess);
    }
    for (const [id, record] of recordsBeside(opening)) {
      this.#lay(id, record, START);
    }
  }

  #lay(id: string, record: SessionRecord, lastAccess: number): void {
    const path = `${this.stage.directory}/${id}`;
    const at = new Date(lastAccess);
    Deno.writeFileSync(path, encodeRecord(id, record), { mode: 0o600 });
    Deno.utimeSync(path, at, at);
    if (record.user === undefined) return;
    const entry = { tag: userTag(record.user), id };
    putEntry(this.stage.directory, entry, new Date(START));
  }
}

/** The record that an opening begins with. */
function firstRecord(opening: Opening): SessionRecord {
  const record = {
    data: { list: ["first"] },
    createdAt: START - UNUSED_FOR,
    secretHash: FIRST_HASH,
  };
  if (opening === "unused") return record;
  const { user } = openWorld(opening).session ?? {};
  const lasting = { ...record, idleTimeout: IDLE_TIMEOUT };
  return user === undefined ? lasting : { ...lasting, user };
}

/** What else lies in the directory. */
function recordsBeside(opening: Opening): [string, SessionRecord][] {
  if (!isPeopled(opening) || opening === "signed in") return [];
  const { idleTimeout: _idleTimeout, ...lasting } = firstRecord(opening);
  const other = {
    ...lasting,
    secretHash: hashSecret(OTHER_SECRET),
    user: USER,
  };
  if (opening === "not signed in") return [[OTHER_ID, other]];
  const secretHash = hashSecret(STRANGERS_SECRET);
  const strangers = { ...lasting, secretHash, user: STRANGER };
  return [[OTHER_ID, other], [STRANGERS_ID, strangers]];
}

/** The abstract session and its surroundings. */
export interface World extends Surroundings {
  readonly session: Abstract | undefined;
}

/** The world that an opening begins with. */
export function openWorld(opening: Opening): World {
  const age = {
    live: 0,
    missing: undefined,
    ageing: IDLE_TIMEOUT - TICK,
    expired: IDLE_TIMEOUT,
    unused: UNUSED_FOR,
    "signed in": 0,
    "not signed in": 0,
    "in company": 0,
  }[opening];
  const isSignedIn = isPeopled(opening) && opening !== "not signed in";
  const session = age === undefined ? undefined : {
    list: ["first"],
    hash: FIRST_HASH,
    idleTimeout: opening === "unused" ? undefined : IDLE_TIMEOUT,
    lastAccess: START - age,
    user: isSignedIn ? USER : undefined,
    since: 0,
  };
  const others: Record<string, number> =
    isPeopled(opening) && opening !== "signed in" ? { other: 0 } : {};
  return { session, revocations: 0, revocationsOfIt: 0, others };
}

/** Whether a session is there and its time is not over. */
export function isLive(
  state: Abstract | undefined,
  now: number,
): state is Abstract {
  return state !== undefined &&
    !(state.idleTimeout !== undefined &&
      now >= state.lastAccess + state.idleTimeout);
}

function isOld(state: Abstract | undefined, now: number): boolean {
  if (state === undefined) return false;
  return state.idleTimeout === undefined
    ? now - state.lastAccess >= UNUSED_FOR
    : !isLive(state, now);
}

/**
 * A file's mtime is when it was written: for `save` before it takes effect,
 * for `update` after it was judged.
 */
export function written(
  { began, ended }: Moment,
  state: Omit<Abstract, "lastAccess">,
  answer: unknown,
): Transition[] {
  const transitions = [];
  for (let lastAccess = began; lastAccess <= ended; lastAccess += TICK) {
    transitions.push({ state: { ...state, lastAccess }, answer });
  }
  return transitions;
}

/** The record that an actor saves. */
export function ownRecord(actor: string, opening: Opening): SessionRecord {
  return { ...firstRecord(opening), data: { list: [actor] } };
}

function replacedBy({ actor, opening }: Moment): Omit<Abstract, "lastAccess"> {
  const { idleTimeout, user } = firstRecord(opening);
  return { list: [actor], hash: FIRST_HASH, idleTimeout, user, since: 0 };
}

/** A record with one more in its list. */
export function added(
  record: SessionRecord,
  actor: string,
): SessionRecord {
  const list = [...record.data.list as string[], actor];
  return { ...record, data: { list } };
}

/** What a store shows of what it found. */
const listOf = (record: SessionRecord | undefined) =>
  record?.sealed === undefined ? record?.data.list ?? null : "sealed";

const shown = ({ isSealed }: Moment, { list }: Abstract) =>
  isSealed ? "sealed" : list;

/** What a request knows. */
interface Visit {
  /** The hash of the secret that it goes on with; `false` for none. */
  readonly claim: string | false;
  /** Whether it was refused because the session had been revoked. */
  readonly isRevoked?: boolean;
  /** What it found. */
  readonly opened?: readonly string[];
  /** How many revocations it has heard of when it commits, as Surroundings do. */
  readonly heard?: Pick<Surroundings, "revocations" | "revocationsOfIt">;
}

/** What an actor knows of its request. */
export function visitOf({ memory }: Moment): Visit {
  return memory as Visit;
}

/**
 * Whether a secret opens a session: its own, and the first one after a rotation
 * too. No scene is so long that the grace could be over.
 */
function isAdmitted({ hash }: Abstract, claim: Visit["claim"]): boolean {
  return hash === claim || (hash === ROTATED_HASH && claim === FIRST_HASH);
}

/** Whether a session was ended by one of so many revocations. */
export function isRevoked(
  { user, since }: Abstract,
  revocationsOfIt: number,
): boolean {
  return user !== undefined && since < revocationsOfIt;
}

const find: Step = ({ state, now, revocationsOfIt }) => {
  if (!isLive(state, now) || !isAdmitted(state, FIRST_HASH)) {
    return [{ state, answer: null, memory: { claim: false } }];
  }
  const { lastAccess, idleTimeout = Infinity, list, hash } = state;
  const isDue = now - lastAccess >= Math.min(TOUCH_AFTER, idleTimeout / 10);
  const touched = isDue ? { ...state, lastAccess: now } : state;
  if (isRevoked(state, revocationsOfIt)) {
    const memory = { claim: false, isRevoked: true };
    return [{ state: touched, answer: null, memory }];
  }
  // Who comes with the secret before is handed the new one.
  const memory = { claim: hash, opened: list };
  return [{ state: touched, answer: list, memory }];
};

/** Of a request that found its session revoked: what is left of it goes. */
const sweep: Step = (moment) => {
  const { state, now, revocationsOfIt, memory } = moment;
  const isIt = visitOf(moment).isRevoked && isLive(state, now) &&
    isRevoked(state, revocationsOfIt);
  return [{ state: isIt ? undefined : state, answer: SILENT, memory }];
};

const open: readonly Step[] = [find, sweep];

/** What a commit does is the second part of a request. */
const second = open.length;

/** Of a request that commits: from here on it goes by these revocations. */
export const hear: Step = (moment) => {
  const { state, revocations, revocationsOfIt } = moment;
  const heard = { revocations, revocationsOfIt };
  const memory = { ...visitOf(moment), heard };
  return [{ state, answer: SILENT, memory }];
};

function commitStep(
  change: (state: Abstract, moment: Moment) => Abstract,
): Step {
  return (moment) => {
    const { state, now } = moment;
    const { claim, heard } = visitOf(moment);
    if (claim === false) return [{ state, answer: "new" }];
    if (!isLive(state, now) || !isAdmitted(state, claim)) {
      return [{ state, answer: "refused" }];
    }
    if (isRevoked(state, heard!.revocationsOfIt)) {
      return [{ state: undefined, answer: "refused" }];
    }
    return written(moment, change(state, moment), "kept");
  };
}

/** What a request does that changes its session. */
export function requestSteps(
  change: (state: Abstract, moment: Moment) => Abstract,
): Pick<Operation, "steps" | "second"> {
  return { steps: [...open, hear, commitStep(change)], second };
}

const addToOpened = commitStep((state, moment) => ({
  ...state,
  list: [...visitOf(moment).opened!, moment.actor],
}));

/** Of an exclusive request: nobody else can have added to the list meanwhile. */
const addAlone: Step = (moment) => {
  const { opened = [] } = visitOf(moment);
  const length = moment.state?.list.length ?? opened.length;
  return length === opened.length ? addToOpened(moment) : [];
};

/** Of a request that changes nothing. */
const leave: Step = (moment) => [{
  state: moment.state,
  answer: visitOf(moment).claim === false ? "new" : "kept",
}];

const renewSecret = commitStep((state) => ({
  ...state,
  // Of two that want to, one does, and the other is handed the new one.
  hash: ROTATED_HASH,
}));

/** Opens the session, changes it and commits. */
export async function request(
  cast: Cast,
  actor: string,
  handle: (session: Session<{ list: string[] }>) => void,
  options: Partial<SessionManagerOptions> = {},
): Promise<unknown[]> {
  const manager = cast.manager(actor, options);
  const session = await manager.open(cast.request());
  if (session.isNew) return [null, "new"];
  const opened = [...session.get("list")!];
  handle(session);
  cast.stage.beginSecondPart();
  const headers = new Headers();
  try {
    await manager.commit(session, headers);
  } catch (error) {
    if (error instanceof SessionGoneError) return [opened, "refused"];
    throw error;
  }
  return [opened, "kept", tokenOf(headers)];
}

/** The token of the cookie that was handed out, if one was. */
export function tokenOf(headers: Headers): string | undefined {
  const [cookie] = headers.getSetCookie();
  return cookie?.replace(/^session=|;.*/gs, "");
}

async function add(cast: Cast, actor: string): Promise<unknown> {
  const kept = await cast.store(actor).update(
    ID,
    (record) => added(record, actor),
  );
  return listOf(kept ?? undefined);
}

const addStep: Step = (moment) => {
  const { state, now, actor } = moment;
  if (!isLive(state, now)) return [{ state, answer: null }];
  const list = [...state.list, actor];
  return written(moment, { ...state, list }, list);
};

const read: Step = (moment) => {
  const { state, now } = moment;
  return [{ state, answer: isLive(state, now) ? shown(moment, state) : null }];
};

const readAndTouch: Step = (moment) => {
  const { state, now } = moment;
  return isLive(state, now)
    ? [{ state: { ...state, lastAccess: now }, answer: shown(moment, state) }]
    : [{ state, answer: null }];
};

/** The name of an operation on the session. */
export type SessionOperationName =
  | "load"
  | "load+touch"
  | "touch"
  | "save"
  | "create"
  | "update"
  | "delete"
  | "cleanup"
  | "commit"
  | "regenerate"
  | "exclusive"
  | Rotating
  | Recycling;

/** Requests that change nothing, the first where secrets grow old. */
export type Rotating = "rotate" | "read";

/**
 * Changes after which the file that was the session's is written over, as
 * another version of it or as another session.
 */
export type Recycling = "update twice" | "update and save another";

/** Every operation on the session. */
export const SESSION_OPERATIONS: Record<SessionOperationName, Operation> = {
  load: {
    run: async (cast, actor) => [listOf(await cast.store(actor).load(ID))],
    steps: [read],
  },
  "load+touch": {
    run: async (cast, actor) => [
      listOf(await cast.store(actor).load(ID, { touch: () => true })),
    ],
    steps: [readAndTouch],
  },
  touch: {
    run: async (cast, actor) => [await cast.store(actor).touch(ID)],
    steps: [({ state, now }) => [
      isLive(state, now)
        ? { state: { ...state, lastAccess: now }, answer: true }
        : { state, answer: false },
    ]],
  },
  save: {
    run: async (cast, actor) => {
      await cast.store(actor).save(ID, ownRecord(actor, cast.opening));
      return [null];
    },
    steps: [(moment) => written(moment, replacedBy(moment), null)],
  },
  create: {
    run: async (cast, actor) => [
      await cast.store(actor).create(ID, ownRecord(actor, cast.opening)),
    ],
    steps: [
      (moment) =>
        isLive(moment.state, moment.now)
          ? [{ state: moment.state, answer: false }]
          : written(moment, replacedBy(moment), true),
    ],
  },
  update: {
    run: async (cast, actor) => [await add(cast, actor)],
    steps: [addStep],
  },
  "update twice": {
    run: async (cast, actor) => [
      await add(cast, actor),
      await add(cast, actor),
    ],
    steps: [addStep, addStep],
  },
  "update and save another": {
    run: async (cast, actor) => {
      const list = await add(cast, actor);
      await cast.store(actor).save(OTHER_ID, ownRecord(actor, cast.opening));
      return [list];
    },
    steps: [addStep],
  },
  delete: {
    run: async (cast, actor) => [await cast.store(actor).delete(ID)],
    steps: [({ state, now }) => [
      { state: undefined, answer: isLive(state, now) },
    ]],
  },
  cleanup: {
    run: async (cast, actor) => {
      const { deleted } = await cast.store(actor).deleteOldSessions(MINUTES);
      return [deleted];
    },
    steps: [({ state, now }) =>
      isOld(state, now)
        // A session that somebody is at work on is left for the next time.
        ? [{ state: undefined, answer: 1 }, { state, answer: 0 }]
        : [{ state, answer: 0 }]],
  },
  commit: {
    run: (cast, actor) =>
      request(cast, actor, (session) => {
        session.update("list", (list = []) => [...list, actor]);
      }),
    ...requestSteps((state, { actor }) => ({
      ...state,
      list: [...state.list, actor],
    })),
  },
  regenerate: {
    run: (cast, actor) =>
      request(cast, actor, (session) => session.regenerate()),
    ...requestSteps((state) => ({ ...state, hash: OTHER_HASH })),
  },
  // Only beside what adds nothing to the list, or is exclusive too.
  exclusive: {
    run: (cast, actor) =>
      request(cast, actor, (session) => {
        session.set("list", [...session.get("list")!, actor]);
      }, { isolation: "exclusive" }),
    steps: [...open, hear, addAlone],
    second,
  },
  rotate: {
    run: (cast, actor) =>
      request(cast, actor, () => {}, { rotateEvery: ROTATE_EVERY }),
    steps: [
      ...open,
      hear,
      // A request that was handed the new secret has nothing to renew.
      (moment) =>
        visitOf(moment).claim === ROTATED_HASH
          ? leave(moment)
          : renewSecret(moment),
    ],
    second,
  },
  read: {
    run: (cast, actor) => request(cast, actor, () => {}),
    steps: [...open, leave],
  },
};

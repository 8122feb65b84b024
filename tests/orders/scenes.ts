/*
 * The operations that are put on the stage, and the specification that says
 * what they may answer: each one step on the abstract session, a request
 * several. Those on the sessions of a user are in users.ts.
 */
import {
  SessionGoneError,
  SessionRevokedError,
} from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { ID, OTHER_ID, SECRET_HASH, USER } from "../constants.ts";
import {
  answerOf,
  callStore,
  type RequestName,
  REQUESTS,
  STORE_OPERATIONS,
  type StoreOperationName,
} from "../operations.ts";
import type { Cast } from "./cast.ts";
import {
  type Abstract,
  firstRecord,
  isDue,
  isLive,
  isRevoked,
  MINUTES,
  type Opening,
  OTHER_HASH,
  ownRecord,
  ROTATED_HASH,
  type Surroundings,
  TICK,
  TOUCH_AFTER,
  UNUSED_FOR,
} from "./world.ts";

/** Every record of a scene has had its first secret for this long. */
const ROTATE_EVERY = UNUSED_FOR;

/** Stands for the answer of a step that answers nothing. */
export const SILENT: unique symbol = Symbol("silent");

/** A state that a step may lead to, and its answer. */
export interface Transition extends Partial<Surroundings> {
  readonly state: Abstract | undefined;
  readonly answer: unknown;
  /** What the actor remembers for its next step. */
  readonly memory?: unknown;
}

/** An instant at which a step takes effect, and what its effect depends on. */
export interface Moment extends Surroundings {
  readonly state: Abstract | undefined;
  readonly now: number;
  /** The clock when the actor began. */
  readonly began: number;
  /** The clock when the actor ended. */
  readonly ended: number;
  readonly actor: string;
  readonly opening: Opening;
  readonly isSealed: boolean;
  /** Whether listing the directory finds nothing. */
  readonly isBlind: boolean;
  readonly memory: unknown;
}

/** One step of an operation: all that it is allowed to do at a moment. */
export type Step = (moment: Moment) => readonly Transition[];

/** An operation: how it is run, and what its steps may do. */
export interface Operation {
  /**
   * Answers with one answer for each step that is not silent; then the token of
   * the cookie, if one was set.
   */
  run(cast: Cast, actor: string): Promise<unknown[]>;
  readonly steps: readonly Step[];
  /** The first step of its second part, if it has two; see `beginSecondPart()`. */
  readonly second?: number;
}

/**
 * The last access of what is written is the clock before it takes effect, and not
 * before that of what it replaces.
 */
function written(
  { began, now, state: before }: Moment,
  state: Omit<Abstract, "lastAccess">,
  answer: unknown,
): Transition[] {
  const transitions = [];
  const first = Math.max(began, before?.lastAccess ?? began);
  for (let lastAccess = first; lastAccess <= now; lastAccess += TICK) {
    transitions.push({ state: { ...state, lastAccess }, answer });
  }
  return transitions;
}

function replacedBy({ actor, opening }: Moment): Omit<Abstract, "lastAccess"> {
  const { idleTimeout, user } = firstRecord(opening);
  return { list: [actor], hash: SECRET_HASH, idleTimeout, user, since: 0 };
}

/** A record with one more item in its list. */
export function added(
  record: SessionRecord,
  actor: string,
): SessionRecord {
  const list = [...record.data.list as string[], actor];
  return { ...record, data: { list } };
}

/** The answer of a store; of a record, the list that it shows. */
function shownAnswer(answer: unknown): unknown {
  if (typeof answer === "boolean") return answer;
  const record = answer as SessionRecord | null | undefined;
  return record?.sealed === undefined ? record?.data.list ?? null : "sealed";
}

const shown = ({ isSealed }: Moment, { list }: Abstract) =>
  isSealed ? "sealed" : list;

/** What a request remembers. */
interface Visit {
  /** The hash of the secret that it has; `false` for none. */
  readonly credentials: string | false;
  /** Whether it was refused because the session had been revoked. */
  readonly isRevoked?: boolean;
  /** The list that it read. */
  readonly opened?: readonly string[];
  /** The user who was signed in when it opened the session. */
  readonly user?: string | undefined;
  /** The revocations that it had read then, counted as in Surroundings. */
  readonly known?: Heard;
  /** The clock at about the end of its opening. */
  readonly openedAt?: number;
  /** The revocations that it has read by its commit. */
  readonly heard?: Heard;
}

/** What a request reads of the revocations. */
export type Heard = Pick<
  Surroundings,
  "revocations" | "revocationsOfIt" | "revokedAt"
>;

function heardIn({ revocations, revocationsOfIt, revokedAt }: Moment): Heard {
  return { revocations, revocationsOfIt, revokedAt };
}

/** How far the clocks of two processes may differ: docs/security.md says it. */
const SLACK = 1_000;

/**
 * Whether a login of a request that did not open a session of its user may be
 * refused, and whether it may be kept: another process has revoked at about the
 * time when it was opened. Without ticks of the clock one of them is false.
 */
export function judgeLogin(
  { now }: Moment,
  openedAt: number,
  { revokedAt }: Heard,
): { mayRefuse: boolean; mayKeep: boolean } {
  return {
    mayRefuse: revokedAt > openedAt - SLACK,
    mayKeep: revokedAt <= now - SLACK,
  };
}

/** What an actor remembers of its request. */
export function visitOf({ memory }: Moment): Visit {
  return memory as Visit;
}

/**
 * Whether a secret opens a session: its own, and after a rotation the first one
 * too. Every scene is shorter than the grace period.
 */
function isAdmitted(
  { hash }: Abstract,
  credentials: Visit["credentials"],
): boolean {
  return hash === credentials ||
    (hash === ROTATED_HASH && credentials === SECRET_HASH);
}

const find: Step = ({ state, now, revocationsOfIt }) => {
  if (!isLive(state, now) || !isAdmitted(state, SECRET_HASH)) {
    return [{ state, answer: null, memory: { credentials: false } }];
  }
  const { lastAccess, idleTimeout = Infinity, list, hash } = state;
  const isDue = now - lastAccess >= Math.min(TOUCH_AFTER, idleTimeout / 10);
  const touched = isDue ? { ...state, lastAccess: now } : state;
  if (isRevoked(state, revocationsOfIt)) {
    const memory = { credentials: false, isRevoked: true };
    return [{ state: touched, answer: null, memory }];
  }
  // A request with the previous secret is given the new one.
  const memory = { credentials: hash, opened: list, user: state.user };
  return [{ state: touched, answer: list, memory }];
};

/** A request that found its session revoked deletes what remains of it. */
const sweep: Step = (moment) => {
  const { state, now, revocationsOfIt } = moment;
  const isIt = visitOf(moment).isRevoked && isLive(state, now) &&
    isRevoked(state, revocationsOfIt);
  const seen = { known: heardIn(moment), openedAt: now };
  return [{
    state: isIt ? undefined : state,
    answer: SILENT,
    memory: { ...visitOf(moment), ...seen },
  }];
};

const open: readonly Step[] = [find, sweep];

/** The second part of a request is its commit. */
const second = open.length;

/** A request reads the revocations: its commit depends on these. */
export const hear: Step = (moment) => {
  const { state } = moment;
  const memory = { ...visitOf(moment), heard: heardIn(moment) };
  return [{ state, answer: SILENT, memory }];
};

function commitStep(
  change: (state: Abstract, moment: Moment) => Abstract,
): Step {
  return (moment) => {
    const { state, now } = moment;
    const { credentials, heard } = visitOf(moment);
    if (credentials === false) return [{ state, answer: "new" }];
    if (!isLive(state, now) || !isAdmitted(state, credentials)) {
      return [{ state, answer: "refused" }];
    }
    if (isRevoked(state, heard!.revocationsOfIt)) {
      return [{ state: undefined, answer: "refused" }];
    }
    return written(moment, change(state, moment), "kept");
  };
}

/** What a request commits, as the table of requests says. */
function commitOf(name: RequestName): Step {
  const { fate, isRenewed, user } = REQUESTS[name];
  const commit = commitStep((state, moment) => ({
    ...state,
    list: fate === "changed" ? [...state.list, moment.actor] : state.list,
    hash: isRenewed ? OTHER_HASH : state.hash,
    ...user === undefined ? {} : {
      user: user ?? undefined,
      since: user === null ? 0 : visitOf(moment).heard!.revocationsOfIt,
    },
  }));
  return user === undefined
    ? commit
    : user === null
    ? (moment) => logOut(moment) ?? commit(moment)
    : (moment) => logIn(moment, commit);
}

/** A login is bound to the revocations that its request read when it opened. */
function logIn(moment: Moment, commit: Step): readonly Transition[] {
  const { state, now, actor, others } = moment;
  const { credentials, user, known, openedAt, heard } = visitOf(moment);
  if (credentials === false) return commit(moment);
  const refused: Transition = { state, answer: "revoked" };
  const { mayRefuse, mayKeep } = user === USER
    ? {
      mayRefuse: known!.revocationsOfIt < heard!.revocationsOfIt,
      mayKeep: known!.revocationsOfIt === heard!.revocationsOfIt,
    }
    : judgeLogin(moment, openedAt!, heard!);
  const isIt = isLive(state, now) && isAdmitted(state, credentials);
  // A session of its own, where the record has another secret, or is missing and
  // no user was signed in.
  const isOwn = !isIt && (isLive(state, now) || user === undefined);
  const isOwnRefused = user === USER &&
    known!.revocations < heard!.revocations;
  const own: Transition = isOwnRefused ? refused : {
    state,
    others: { ...others, [actor]: heard!.revocations },
    answer: "kept",
  };
  return [
    ...mayRefuse ? [refused] : [],
    ...mayKeep ? isOwn ? [own] : commit(moment) : [],
  ];
}

/** A logout ends the session of its user, also with another secret. */
function logOut(moment: Moment): readonly Transition[] | undefined {
  const { state, now } = moment;
  const { credentials, user } = visitOf(moment);
  if (credentials === false || user === undefined) return undefined;
  if (!isLive(state, now)) return [{ state, answer: "kept" }];
  return isAdmitted(state, credentials) || state.user === user
    ? [{ state: undefined, answer: "kept" }]
    : [{ state, answer: "refused" }];
}

/** A request that changes its session. */
export function requestOperation(name: RequestName): Operation {
  return {
    run: (cast, actor) => request(cast, actor, name),
    steps: [...open, hear, commitOf(name)],
    second,
  };
}

const addToOpened = commitStep((state, moment) => ({
  ...state,
  list: [...visitOf(moment).opened!, moment.actor],
}));

/** An exclusive request: no other can have added to the list meanwhile. */
const addAlone: Step = (moment) => {
  const { opened } = visitOf(moment);
  const isAlone = opened === undefined || moment.state === undefined ||
    moment.state.list.length === opened.length;
  return isAlone ? addToOpened(moment) : [];
};

/** A request that changes nothing. */
const leave: Step = (moment) => [{
  state: moment.state,
  answer: visitOf(moment).credentials === false ? "new" : "kept",
}];

/** Of a request that reads: it is not refused when there is no secret to renew. */
const renewSecret: Step = (moment) =>
  commitStep((state) => ({
    ...state,
    // Of two that want to, one does, and the other is handed the new one.
    hash: ROTATED_HASH,
  }))(moment).map((outcome) => ({
    ...outcome,
    answer: outcome.answer === "refused" ? "kept" : outcome.answer,
  }));

/** Opens the session, does something with it and commits. */
async function request(
  cast: Cast,
  actor: string,
  name: RequestName,
  options = REQUESTS[name].options,
): Promise<unknown[]> {
  const manager = cast.manager(actor, options);
  const session = await manager.open(cast.request());
  if (session.isNew) return [null, "new"];
  const opened = [...session.get("list")!];
  REQUESTS[name].handle(session, (session) => {
    // An exclusive request may rely on what it has read.
    if (name === "exclusive") session.set("list", [...opened, actor]);
    else session.update("list", (list = []) => [...list, actor]);
  });
  cast.stage.beginSecondPart();
  const headers = new Headers();
  try {
    await manager.commit(session, headers);
  } catch (error) {
    if (error instanceof SessionGoneError) return [opened, "refused"];
    if (error instanceof SessionRevokedError) return [opened, "revoked"];
    throw error;
  }
  return [opened, "kept", tokenOf(headers)];
}

/** The token of the cookie that was set, if one was. */
export function tokenOf(headers: Headers): string | undefined {
  const [cookie] = headers.getSetCookie();
  return cookie?.replace(/^latchkey=|;.*/gs, "");
}

/** Calls the actor's store, with what an actor writes. */
async function call(
  cast: Cast,
  actor: string,
  name: StoreOperationName,
  id: string = ID,
): Promise<unknown> {
  return shownAnswer(
    await callStore(name, {
      store: cast.store(actor),
      id,
      record: ownRecord(actor, cast.opening),
      change: (record) => added(record, actor),
    }),
  );
}

/** What a store's operation may do, as the table of operations says. */
function stepOf(name: StoreOperationName): Step {
  return (moment) => {
    const { state, now, actor } = moment;
    const found = isLive(state, now) ? state : undefined;
    const { live, missing } = STORE_OPERATIONS[name];
    const { fate, reply } = found === undefined ? missing : live;
    const change = (next: Omit<Abstract, "lastAccess">): Transition[] =>
      written(moment, next, answer(next.list));
    const answer = (left?: readonly string[]): unknown =>
      answerOf(reply, found && shown(moment, found), left) ?? null;
    switch (fate) {
      case "kept":
        return [{ state, answer: answer() }];
      case "accessed":
        return [{ state: { ...found!, lastAccess: now }, answer: answer() }];
      case "replaced":
        return change(replacedBy(moment));
      case "changed":
        return change({ ...found!, list: [...found!.list, actor] });
      case "deleted":
        return [{ state: undefined, answer: answer() }];
    }
  };
}

function storeOperation(name: StoreOperationName): Operation {
  return {
    run: async (cast, actor) => [await call(cast, actor, name)],
    steps: [stepOf(name)],
  };
}

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

/** Requests that change no data; the first rotates the secret. */
export type Rotating = "rotate" | "read";

/**
 * Changes that write over the file that was the session's before, with another
 * version of the session or with another session.
 */
export type Recycling = "update twice" | "update and save another";

/** Every operation on the session. */
export const SESSION_OPERATIONS: Record<SessionOperationName, Operation> = {
  load: storeOperation("load"),
  "load+touch": storeOperation("load+touch"),
  touch: storeOperation("touch"),
  save: storeOperation("save"),
  create: storeOperation("create"),
  update: storeOperation("update"),
  "update twice": {
    run: async (cast, actor) => [
      await call(cast, actor, "update"),
      await call(cast, actor, "update"),
    ],
    steps: [stepOf("update"), stepOf("update")],
  },
  "update and save another": {
    run: async (cast, actor) => {
      const list = await call(cast, actor, "update");
      await call(cast, actor, "save", OTHER_ID);
      return [list];
    },
    steps: [stepOf("update")],
  },
  delete: storeOperation("delete"),
  cleanup: {
    run: async (cast, actor) => {
      const { deleted } = await cast.store(actor).deleteOldSessions(MINUTES);
      return [deleted];
    },
    steps: [({ state, now }) =>
      isDue(state, now)
        // A session that another process has locked is left for the next cleanup.
        ? [{ state: undefined, answer: 1 }, { state, answer: 0 }]
        : [{ state, answer: 0 }]],
  },
  commit: requestOperation("commit"),
  regenerate: requestOperation("regenerate"),
  // Only beside an operation that does not add to the list, or is exclusive too.
  exclusive: {
    run: (cast, actor) => request(cast, actor, "exclusive"),
    steps: [...open, hear, addAlone],
    second,
  },
  rotate: {
    run: (cast, actor) =>
      request(cast, actor, "read", { rotateEvery: ROTATE_EVERY }),
    steps: [
      ...open,
      hear,
      // A request that was given the new secret does not rotate it.
      (moment) =>
        visitOf(moment).credentials === ROTATED_HASH
          ? leave(moment)
          : renewSecret(moment),
    ],
    second,
  },
  read: {
    run: (cast, actor) => request(cast, actor, "read"),
    steps: [...open, leave],
  },
};

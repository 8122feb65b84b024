/*
 * The operations on all sessions of a user, the requests that log a user in or
 * out, and their specification:
 *
 *   A revocation takes effect at one instant. It ends each session of an
 *   earlier login: no request opens it any more, and its record is deleted
 *   before the revocation is answered. A session that the revocation spares is
 *   as it was: open, or ended by an earlier one.
 *
 *   Where its listing missed an ended session, the record of that stays, and no
 *   request opens it.
 *
 *   A commit depends on the revocations that its request read right before it.
 *   So until a revocation is answered, a request can still commit to a session
 *   that it ended. The session remains ended, also if that commit is a login.
 */
import { SessionRevokedError } from "../../src/core/errors.ts";
import { ID, OTHER_ID, requestOf, USER } from "../constants.ts";
import { USER_OPERATIONS } from "../operations.ts";
import type { Cast } from "./cast.ts";
import {
  hear,
  type Heard,
  judgeLogin,
  type Moment,
  type Operation,
  requestOperation,
  SILENT,
  type Step,
  tokenOf,
  type Transition,
  visitOf,
} from "./scenes.ts";
import { isLive, isRevoked, TICK } from "./world.ts";

/** The user's other sessions: the one that is there, and what an actor begins. */
const OTHERS = ["other", "A", "B", "C"];

/** What a revocation or a list remembers. */
interface Knowledge {
  readonly heard: Heard;
  /** The sessions that it has ended or seen. */
  readonly names: readonly string[];
}

const knowledgeOf = ({ memory }: Moment) => memory as Knowledge;

/** The instant of a revocation. */
function mark(isItSpared: boolean): Step {
  return ({ state, ...before }) => {
    const revocations = before.revocations + 1;
    const revocationsOfIt = before.revocationsOfIt + (isItSpared ? 0 : 1);
    const transitions: Transition[] = [];
    for (let at = before.began; at <= before.now; at += TICK) {
      const revokedAt = Math.max(at, before.revokedAt);
      const heard = { revocations, revocationsOfIt, revokedAt };
      const memory = { heard, names: [] };
      transitions.push({ state, ...heard, answer: SILENT, memory });
    }
    return transitions;
  };
}

/** Notes one more session, whose name lists give. */
function note(moment: Moment, name: string): Transition {
  const { heard, names } = knowledgeOf(moment);
  const memory = { heard, names: [...names, name].sort() };
  return { state: moment.state, answer: SILENT, memory };
}

const pass = ({ state, memory }: Moment): Transition => (
  { state, memory, answer: SILENT }
);

const endIt: Step = (moment) => {
  const { state, now, isBlind } = moment;
  const { revocationsOfIt } = knowledgeOf(moment).heard;
  return !isBlind && isLive(state, now) && isRevoked(state, revocationsOfIt)
    ? [{ ...note(moment, "it"), state: undefined }]
    : [pass(moment)];
};

const endOther = (name: string): Step => (moment) => {
  const { [name]: since = Infinity, ...others } = moment.others;
  return !moment.isBlind && since < knowledgeOf(moment).heard.revocations
    ? [{ ...note(moment, name), others }]
    : [pass(moment)];
};

const revocation = (isItSpared: boolean): readonly Step[] => [
  mark(isItSpared),
  endIt,
  ...OTHERS.map(endOther),
  (moment) => [{
    state: moment.state,
    answer: knowledgeOf(moment).names.length,
  }],
];

const begin: Step = ({ state, revocations, revocationsOfIt, revokedAt }) => {
  const heard = { revocations, revocationsOfIt, revokedAt };
  const memory = { heard, names: [] };
  return [{ state, answer: SILENT, memory }];
};

const seeIt: Step = (moment) => {
  const { state, now } = moment;
  const { revocationsOfIt } = knowledgeOf(moment).heard;
  return isLive(state, now) && state.user === USER &&
      !isRevoked(state, revocationsOfIt)
    ? [note(moment, "it")]
    : [pass(moment)];
};

const seeOther = (name: string): Step => (moment) => {
  const { [name]: since = -1 } = moment.others;
  return since >= knowledgeOf(moment).heard.revocations
    ? [note(moment, name === "other" ? name : "new")]
    : [pass(moment)];
};

async function list(cast: Cast, actor: string): Promise<unknown[]> {
  const listed = await USER_OPERATIONS.list(cast.manager(actor)) as string[];
  const names = new Map([[ID, "it"], [OTHER_ID, "other"]]);
  return [listed.map((id) => names.get(id) ?? "new").sort()];
}

/** A request without a cookie, that logs in. */
async function signUp(cast: Cast, actor: string): Promise<unknown[]> {
  const manager = cast.manager(actor);
  const session = await manager.open(requestOf());
  session.setUser(USER);
  const headers = new Headers();
  try {
    await manager.commit(session, headers);
  } catch (error) {
    if (error instanceof SessionRevokedError) return ["revoked"];
    throw error;
  }
  return ["kept", tokenOf(headers)];
}

const createOther: Step = (moment) => {
  const { state, began } = moment;
  const heard = visitOf(moment).heard!;
  const { mayRefuse, mayKeep } = judgeLogin(moment, began, heard);
  const others = { ...moment.others, [moment.actor]: heard.revocations };
  return [
    ...mayRefuse ? [{ state, answer: "revoked" }] : [],
    ...mayKeep ? [{ state, others, answer: "kept" }] : [],
  ];
};

/** The name of an operation on a user's sessions. */
export type UserSceneName =
  | "revoke"
  | "revoke all but it"
  | "revoke twice"
  | "list"
  | "login"
  | "logout"
  | "sign up";

/** Every operation on a user's sessions. */
export const USER_SCENES: Record<UserSceneName, Operation> = {
  revoke: {
    run: async (cast, actor) => [
      await USER_OPERATIONS.revoke(cast.manager(actor)),
    ],
    steps: revocation(false),
  },
  "revoke all but it": {
    run: async (cast, actor) => [
      await USER_OPERATIONS["revoke all but it"](cast.manager(actor)),
    ],
    steps: revocation(true),
  },
  "revoke twice": {
    run: async (cast, actor) => {
      const manager = cast.manager(actor);
      const ended = await USER_OPERATIONS.revoke(manager);
      cast.stage.beginSecondPart();
      return [ended, await USER_OPERATIONS.revoke(manager)];
    },
    steps: [...revocation(false), ...revocation(false)],
    second: revocation(false).length,
  },
  list: {
    run: list,
    steps: [
      begin,
      seeIt,
      ...OTHERS.map(seeOther),
      (moment) => [{
        state: moment.state,
        answer: knowledgeOf(moment).names,
      }],
    ],
  },
  login: requestOperation("login"),
  logout: requestOperation("logout"),
  "sign up": { run: signUp, steps: [hear, createOther] },
};

/** What the applications of all frameworks have in common. */

import type { SessionOf } from "../../mod.ts";
import { sessions } from "./examples/sessions.ts";

/** A session of the applications. */
export type VisitSession = SessionOf<typeof sessions>;

/** An error for which an application has an answer of its own: 400. */
export class RefusedError extends Error {}

/** Tells whether two types are the same; `any` is the same as itself only. */
export type IsSame<One, Other> = (<T>() => T extends One ? 1 : 2) extends
  (<T>() => T extends Other ? 1 : 2) ? true : false;

const gates = new Map<string, PromiseWithResolvers<void>>();

/** Describes what a session holds; the notice is used up. */
export function describe(session: VisitSession): string {
  const user = session.user ?? "nobody";
  const visits = session.get("visits") ?? 0;
  const notice = session.flash("notice") ?? "no notice";
  return `${user}, ${visits} visits, ${notice}`;
}

/** Counts a visit, and answers how many there were. */
export function visit(session: VisitSession): number {
  return session.update("visits", (n = 0) => n + 1);
}

/** Begins a login that is revoked before the request is over. */
export async function beginRevokedLogin(session: VisitSession): Promise<void> {
  session.setUser("eve");
  await sessions.revokeUser("eve");
}

/** Makes a body of which the first half comes at once, the other when released. */
export function makeStream(name: string): ReadableStream<Uint8Array> {
  async function* produce(): AsyncGenerator<string> {
    yield "first ";
    await gateOf(name).promise;
    yield "last";
  }
  return ReadableStream.from(produce()).pipeThrough(new TextEncoderStream());
}

/** Lets a stream go on. */
export function releaseStream(name: string): void {
  gateOf(name).resolve();
}

function gateOf(name: string): PromiseWithResolvers<void> {
  const gate = gates.get(name) ?? Promise.withResolvers<void>();
  gates.set(name, gate);
  return gate;
}

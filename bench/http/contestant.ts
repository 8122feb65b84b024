import type { JsonObject } from "../../src/core/record.ts";

/** What is done to a session at every request. */
export type Action = "read" | "change";

/** What a session holds: what a small shop keeps, and by what it is judged. */
export interface Visit extends JsonObject {
  /** Whose it is. */
  readonly owner: string;
  /** How often it was changed. */
  readonly count: number;
}

/** Answers one request. */
export type Handler = (request: Request) => Response | Promise<Response>;

/**
 * What a contestant answers with. Each handler gets a port of its own, so that
 * none of them has to look at the path.
 *
 * `read` and `change` answer with `OWNER COUNT`, or with a status from 400 on.
 */
export interface Handlers {
  /** Makes a session of the visit in the request's body, and gives its cookie. */
  readonly make: Handler;
  /** Reads the session. */
  readonly read: Handler;
  /** Adds one to its count. */
  readonly change: Handler;
}

/** Opens a contestant in a directory that is there. */
export type Open = (directory: string) => Handlers | Promise<Handlers>;

/** What `read` and `change` say of a session. */
export function describe({ owner, count }: Visit): string {
  return `${owner} ${count}`;
}

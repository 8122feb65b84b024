/*
 * What browsers and servers tell each other about a device-bound session (W3C
 * Device Bound Session Credentials, spec.bs of 2026-02-17), as far as it is used
 * here; the proof itself is in proof.ts.
 *
 *   Secure-Session-Registration   response   register a key at this path
 *   Secure-Session-Challenge      response   sign this next, for that session
 *   Secure-Session-Response       request    the proof
 *   Sec-Secure-Session-Id         request    a refresh, of that session
 *   Secure-Session-Skipped        request    no refresh, for that reason
 *
 * A browser has one such session for a cookie, not for a login: with one for each
 * login it would go on to refresh the first one that was left behind, and turn
 * the second user into the first (seen with Chromium 156). So the identifier is
 * made of what makes a cookie that cookie, which replaces the session at each
 * registration; which login is meant stands in the path of the refresh.
 */
import { hashSecret } from "../core/token.ts";
import type { DeviceAlgorithm } from "./proof.ts";

/** Why a browser did not refresh a session. */
export type SkippedReason = "quota_exceeded" | "server_error" | "unreachable";

/** The cookie that a device-bound session keeps alive. */
export interface BoundCookie {
  readonly name: string;
  /** The `Domain` that it has, if it has one. */
  readonly domain?: string | undefined;
  readonly path: string;
  /** All attributes but its age, as in `Set-Cookie`. */
  readonly attributes: string;
}

/** A header of a response. */
type Header = readonly [name: string, value: string];

const IDENTIFIER = /^(?:([!#-:<-[\]-~]+)|"([!#-[\]-~]+)"(?:;.*)?)$/;
const SKIPPED =
  /(?:^|,)\s*(quota_exceeded|server_error|unreachable)\s*;\s*session_identifier="([^"\\]*)"/g;
const LONGEST_HEADER = 1024;

/**
 * Makes the identifier of the device-bound session of a cookie. It is unique
 * within a site, whose hosts have cookies of the same name each.
 *
 * @param host The host that sets the cookie.
 */
export function makeIdentifier(
  { name, domain, path }: BoundCookie,
  host: string,
): string {
  return `${name}@${domain ?? host}${path === "/" ? "" : encodeURI(path)}`;
}

/**
 * Reads the identifier of the session that a browser refreshes.
 *
 * @param header The header `Sec-Secure-Session-Id`, which no page can set.
 * @param cookie The cookie that it is to be about.
 * @returns `undefined` when it is missing, or about another cookie.
 */
export function readIdentifier(
  header: string | null,
  cookie: BoundCookie,
): string | undefined {
  if (header === null || header.length > LONGEST_HEADER) return undefined;
  const [, bare, quoted] = IDENTIFIER.exec(header) ?? [];
  const identifier = bare ?? quoted;
  return identifier !== undefined && isAbout(identifier, cookie)
    ? identifier
    : undefined;
}

/**
 * Reads why a browser sends a request without the cookie of its session.
 *
 * @param header The header `Secure-Session-Skipped`, which a page can set.
 * @param cookie The cookie that it is to be about.
 * @returns `undefined` when it says nothing about it.
 */
export function readSkipped(
  header: string | null,
  cookie: BoundCookie,
): SkippedReason | undefined {
  if (header === null || header.length > LONGEST_HEADER) return undefined;
  const [, reason] =
    header.matchAll(SKIPPED).find(([, , identifier]) =>
      isAbout(identifier!, cookie)
    ) ?? [];
  return reason as SkippedReason | undefined;
}

/** Behind another name of the server the host may be another, too. */
function isAbout(identifier: string, { name }: BoundCookie): boolean {
  return identifier.startsWith(`${name}@`);
}

/** Makes the header by which a browser registers a key. */
export function makeOffer(
  algorithms: readonly DeviceAlgorithm[],
  path: string,
  challenge: string,
): Header {
  return [
    "secure-session-registration",
    `(${algorithms.join(" ")});path="${path}";challenge="${challenge}"`,
  ];
}

/** Makes the header that tells a browser what to sign next. */
export function makeChallenge(challenge: string, identifier: string): Header {
  return ["secure-session-challenge", `"${challenge}";id="${identifier}"`];
}

/**
 * Makes what tells a browser how to keep the cookie alive.
 *
 * @param refreshPath Where it sends a proof.
 */
export function makeInstructions(
  identifier: string,
  refreshPath: string,
  { name, attributes }: BoundCookie,
): string {
  return JSON.stringify({
    session_identifier: identifier,
    refresh_url: refreshPath,
    scope: { include_site: false },
    credentials: [{ type: "cookie", name, attributes }],
  });
}

/**
 * Lists the challenges that a proof may answer, the newest first. They are made
 * and not kept, so that to ask for one, as any client can, writes nothing.
 *
 * @param nonce The record's, which each proof replaces.
 * @param every How long one is the newest, in milliseconds; it is good for as
 * long again.
 * @param now In ms since the epoch.
 */
export function listChallenges(
  nonce: string,
  every: number,
  now: number,
): readonly [newest: string, before: string] {
  const slot = Math.floor(now / every);
  return [hashSecret(`${nonce}.${slot}`), hashSecret(`${nonce}.${slot - 1}`)];
}

/*
 * The endpoint at which browsers bind sessions to their device, and prove that
 * they have its key. Both legs are a POST without a body.
 *
 *   POST path      register: the proof answers the offer that a login made, which
 *                  names the session, and brings the key
 *   POST path/ID   refresh: the proof answers the last challenge, with that key
 *
 *   registration   200   bound, the cookie has a new secret
 *                  204   not bound: the cookie opens another live session
 *                  400   no proof, or a wrong one
 *                  404   no such offer, or no more
 *   refresh        200   proven, the cookie has a new secret
 *                  204   nothing to do yet: an offer is open, or the cookie opens
 *                        another live session
 *                  403   with a challenge: no proof, a wrong or an old one
 *                  404   the session has ended, or is not bound
 *   both           503   the store failed, or a user's revocation cannot be read
 *
 * What a browser makes of them: 400 and 404 at a registration leave it as it was;
 * after 403 it signs and tries again, four times in all; after 404 it forgets the
 * session, and after 503 it does not. So nothing but 404 ends anything, and what
 * any client could send must not lead there. Only an accepted proof writes.
 *
 * The session is the one that the offer or the path names, never that of a
 * cookie: after a login on another site the browser sends none, and an expired one
 * is missing from a refresh. A cookie that does come, and opens another session,
 * is newer, and is left alone.
 */
import type { SessionRecord } from "../core/record.ts";
import { isRevocationId } from "../core/revocation.ts";
import { KEEP } from "../core/store.ts";
import {
  createSecret,
  hashSecret,
  isSameHash,
  isSessionId,
  parseToken,
} from "../core/token.ts";
import {
  listChallenges,
  makeChallenge,
  makeIdentifier,
  makeInstructions,
  readIdentifier,
} from "../device/headers.ts";
import {
  type DeviceKey,
  type Proof,
  readKey,
  readProof,
  verifyProof,
} from "../device/proof.ts";
import type { Header, SessionRequest } from "../http/transport.ts";
import { instantAfter } from "../session/lifetime.ts";
import { compareTokens, findTokens, MOST_TOKENS } from "./choose_token.ts";
import type { DeviceSettings } from "./device_options.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  isSignedOut,
  loadReadableRevocations,
  type Revocations,
} from "./users.ts";

const HEADERS: readonly Header[] = [
  ["cache-control", "no-store"],
  ["cross-origin-resource-policy", "same-origin"],
];

/** Any URL: where a request has its path only. */
const BASE = "https://localhost/";

/**
 * Answers a request of a browser about its device.
 *
 * @returns `undefined` for any other request, at once.
 */
export function answerDevice(
  settings: ManagerSettings,
  request: SessionRequest,
): Promise<Response> | undefined {
  const { device } = settings;
  if (device === undefined || request.method !== "POST") return undefined;
  const path = URL.parse(request.url ?? "", BASE)?.pathname ?? "";
  const isRegistration = path === device.path;
  const id = path.slice(device.path.length + 1);
  const isRefresh = path.startsWith(`${device.path}/`) && isSessionId(id) &&
    !isRevocationId(id);
  if (!isRegistration && !isRefresh) return undefined;
  const exchange = new Exchange(settings, device, request);
  const answering = isRegistration ? exchange.register() : exchange.refresh(id);
  return answering.catch((error) => {
    // Whatever the application made of the error, the browser might take it for
    // the end of the session.
    settings.report({ type: "unrotated", sessionId: exchange.id, error });
    return respond(503);
  });
}

/** One request of a browser about its device. */
class Exchange {
  /** The session ID that it is about. */
  id = "";
  readonly #settings: ManagerSettings;
  readonly #device: DeviceSettings;
  readonly #request: SessionRequest;
  /** One each, however often the store calls. */
  readonly #secret: string = createSecret();
  readonly #nonce: string = createSecret();

  constructor(
    settings: ManagerSettings,
    device: DeviceSettings,
    request: SessionRequest,
  ) {
    this.#settings = settings;
    this.#device = device;
    this.#request = request;
  }

  /** Binds the session of an offer to the key that its answer brings. */
  async register(): Promise<Response> {
    const { store, counters, transport, now } = this.#settings;
    const proof = this.#readProof();
    const offer = proof && parseToken(proof.challenge);
    const key = proof && readKey(proof, this.#device.algorithms);
    if (proof === undefined || offer === undefined || key === undefined) {
      return respond(400);
    }
    const { id } = offer;
    this.id = id;
    const hash = hashSecret(offer.secret);
    const isOffered = ({ deviceOffer }: SessionRecord) =>
      isSameHash(hash, deviceOffer?.hash) && now() < deviceOffer!.until;
    const found = await store.load(id);
    if (found === undefined || !isOffered(found)) return respond(404);
    if (!await verifyProof(proof, key)) return respond(400);
    const tokens = transport.read(this.#request);
    if (await this.#opensAnother(tokens)) return respond(204);
    const revocations = await loadReadableRevocations(store, found.user);
    const isKept = await this.#keep(revocations, key, isOffered);
    if (!isKept) return respond(404);
    counters.bound++;
    const { hostname = "" } = URL.parse(this.#request.url ?? "") ?? {};
    return this.#renew(makeIdentifier(this.#device.cookie, hostname));
  }

  /** Renews the cookie of a session for a proof that the browser has its key. */
  async refresh(id: string): Promise<Response> {
    this.id = id;
    const { store, counters, transport, now } = this.#settings;
    const { refreshEvery, cookie } = this.#device;
    const identifier = readIdentifier(
      this.#request.headers.get("sec-secure-session-id"),
      cookie,
    );
    if (identifier === undefined) return respond(404);
    const found = await store.load(id);
    if (found === undefined) return respond(404);
    const revocations = await loadReadableRevocations(store, found.user);
    if (isSignedOut(id, found, revocations)) return respond(404);
    const { device: bound, deviceOffer } = found;
    if (bound === undefined) {
      const isOpen = deviceOffer !== undefined && now() < deviceOffer.until;
      return respond(isOpen ? 204 : 404);
    }
    const tokens = transport.read(this.#request);
    if (await this.#opensAnother(tokens)) return respond(204);
    const { key, nonce } = bound;
    const challenges = listChallenges(nonce, refreshEvery, now());
    const proof = this.#readProof();
    const isProven = proof !== undefined && proof.jwk === undefined &&
      challenges.includes(proof.challenge) && await verifyProof(proof, key);
    if (!isProven) return ask(challenges[0], identifier);
    const isStill = ({ device }: SessionRecord) => device?.nonce === nonce;
    if (await this.#keep(revocations, key, isStill)) {
      counters.proven++;
      return this.#renew(identifier);
    }
    // What was first has replaced the nonce, or has ended the session.
    const next = (await store.load(id))?.device;
    if (next === undefined) return respond(404);
    const [newest] = listChallenges(next.nonce, refreshEvery, now());
    return ask(newest, identifier);
  }

  #readProof(): Proof | undefined {
    return readProof(this.#request.headers.get("secure-session-response"));
  }

  /** Tells whether the request brings the cookie of another live session. */
  async #opensAnother(texts: readonly string[]): Promise<boolean> {
    const tokens = findTokens(texts).filter(({ id }) => id !== this.id);
    if (tokens.length === 0 || tokens.length > MOST_TOKENS) return false;
    const { fitting } = await compareTokens(
      this.#settings,
      tokens,
      loadReadableRevocations,
    );
    return fitting.length > 0;
  }

  /**
   * Gives the session a new secret and its device another nonce; it marks no
   * access, and is no commit.
   *
   * @param revocations With that of its user.
   * @param isStill Tells whether the proof is good for the record as it is now: it
   * is not after a login, of whichever user.
   * @returns Whether anything was kept.
   */
  async #keep(
    revocations: Revocations,
    key: DeviceKey,
    isStill: (record: SessionRecord) => boolean,
  ): Promise<boolean> {
    const { store, rotateGrace, now } = this.#settings;
    const { refreshEvery } = this.#device;
    const { id } = this;
    let isGood = false;
    const stored = await store.update(id, (found) => {
      // What is sealed opens with the secret that it has, and no other.
      isGood = isStill(found) && found.sealed === undefined &&
        !isSignedOut(id, found, revocations);
      if (!isGood) return KEEP;
      const provenAt = now();
      const { deviceOffer: _deviceOffer, ...rest } = found;
      const grace = instantAfter(provenAt, rotateGrace);
      // A proof prolongs no secret that the browser had before.
      const deadline = found.device?.until ?? Infinity;
      return {
        ...rest,
        secretHash: hashSecret(this.#secret),
        previous: {
          hash: found.secretHash!,
          until: Math.min(grace, deadline),
        },
        device: {
          key,
          nonce: this.#nonce,
          provenAt,
          until: instantAfter(provenAt, refreshEvery + rotateGrace),
        },
      };
    }, { lastAccess: "unchanged" });
    return isGood && stored !== undefined;
  }

  #renew(identifier: string): Response {
    const { transport, now } = this.#settings;
    const { path, refreshEvery, cookie } = this.#device;
    const { id } = this;
    const [challenge] = listChallenges(this.#nonce, refreshEvery, now());
    return respond(
      200,
      [
        ["content-type", "application/json"],
        transport.issue(this.#request, id + this.#secret, refreshEvery),
        makeChallenge(challenge, identifier),
      ],
      makeInstructions(identifier, `${path}/${id}`, cookie),
    );
  }
}

/** Asks for a proof, or for another one; any client can make it, so nothing is written. */
function ask(challenge: string, identifier: string): Response {
  return respond(403, [makeChallenge(challenge, identifier)]);
}

function respond(
  status: number,
  headers: readonly Header[] = [],
  body: string | null = null,
): Response {
  const all = [...HEADERS, ...headers].map(([name, value]) => [name, value]);
  return new Response(body, { status, headers: all as [string, string][] });
}

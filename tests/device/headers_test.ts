import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  listChallenges,
  makeChallenge,
  makeIdentifier,
  makeInstructions,
  makeOffer,
  readIdentifier,
  readSkipped,
} from "../../src/device/headers.ts";

const COOKIE = {
  name: "latchkey",
  path: "/",
  attributes: "Path=/; HttpOnly; SameSite=Lax; Secure",
};

Deno.test("makeIdentifier() tells cookies apart as browsers do", () => {
  assertEquals(makeIdentifier(COOKIE, "a.example"), "latchkey@a.example");
  assertEquals(makeIdentifier(COOKIE, "b.example"), "latchkey@b.example");
  const wide = { ...COOKIE, domain: "example.com" };
  assertEquals(makeIdentifier(wide, "a.example.com"), "latchkey@example.com");
  const deep = { ...COOKIE, path: '/a"\\ b' };
  assertEquals(
    makeIdentifier(deep, "a.example"),
    "latchkey@a.example/a%22%5C%20b",
  );
});

Deno.test("readIdentifier() reads a string in quotes, and a bare one as Chromium 156 sends it", () => {
  const identifier = makeIdentifier(COOKIE, "a.example");
  for (const header of [identifier, `"${identifier}"`, `"${identifier}";a=1`]) {
    assertEquals(readIdentifier(header, COOKIE), identifier);
  }
  const others = [
    null,
    "",
    '""',
    "latchkey",
    "latchkey2@a.example",
    "other@a.example",
    `"${identifier}`,
    `${identifier}"`,
    `${identifier}, ${identifier}`,
    'latchkey@a\\"',
    `latchkey@${"a".repeat(1_024)}`,
  ];
  for (const header of others) {
    assertEquals(readIdentifier(header, COOKIE), undefined, `${header}`);
  }
});

Deno.test("readSkipped() finds the reason among those of other sessions", () => {
  const of = (header: string | null) => readSkipped(header, COOKIE);
  assertEquals(
    of('unreachable;session_identifier="latchkey@a.example"'),
    "unreachable",
  );
  assertEquals(
    of(
      'server_error;session_identifier="other@a.example", quota_exceeded; session_identifier="latchkey@b.example"',
    ),
    "quota_exceeded",
  );
  const others = [
    null,
    "",
    "unreachable",
    'unreachable;session_identifier="other@a.example"',
    'unreachable;session_identifier="latchkey"',
    'tired;session_identifier="latchkey@a.example"',
    `${" ".repeat(1_000)}unreachable;session_identifier="latchkey@a.example"`,
  ];
  for (const header of others) assertEquals(of(header), undefined, `${header}`);
});

Deno.test("makeOffer(), makeChallenge() and makeInstructions() write what browsers read", () => {
  assertEquals(makeOffer(["ES256", "RS256"], "/device-session", "c"), [
    "secure-session-registration",
    '(ES256 RS256);path="/device-session";challenge="c"',
  ]);
  assertEquals(makeChallenge("c", "latchkey@a.example"), [
    "secure-session-challenge",
    '"c";id="latchkey@a.example"',
  ]);
  assertEquals(
    JSON.parse(makeInstructions("latchkey@a.example", "/d/1", COOKIE)),
    {
      session_identifier: "latchkey@a.example",
      refresh_url: "/d/1",
      scope: { include_site: false },
      // With an age a browser refuses them.
      credentials: [{
        type: "cookie",
        name: "latchkey",
        attributes: "Path=/; HttpOnly; SameSite=Lax; Secure",
      }],
    },
  );
});

Deno.test("listChallenges() lists two, which change with the time and the nonce", () => {
  const [newest, before] = listChallenges("nonce", 1_000, 5_500);
  assertMatch(newest, /^[0-9a-f]{64}$/);
  assertEquals(listChallenges("nonce", 1_000, 5_999), [newest, before]);
  const [next, last] = listChallenges("nonce", 1_000, 6_000);
  assertEquals(last, newest);
  assert(![newest, before].includes(next));
  assert(!listChallenges("other", 1_000, 5_500).includes(newest));
});

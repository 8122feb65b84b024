import { assertEquals } from "@std/assert";
import { isSessionId } from "../../src/core/token.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
  isBucketName,
  isLockName,
  isQuarantineName,
  lockPath,
  markerPath,
  parseEntry,
  quarantinePath,
  sessionPath,
  temporaryBirth,
  temporaryPath,
  userIndexPath,
} from "../../src/directory/layout.ts";

const ID = "0123456789abcdef";
const RANDOM = "0123456789abcdef";
/** What earlier versions took. */
const EARLIER = RANDOM.repeat(2);

Deno.test("all names are as the drawing shows", () => {
  assertEquals(sessionPath("sessions", ID), `sessions/${ID}`);
  assertEquals(quarantinePath("sessions", ID), `sessions/${ID}.bad`);
  assertEquals(markerPath("sessions"), "sessions/.latchkey");
  assertEquals(lockPath("sessions", ID), `sessions/.lock-${ID}`);
  assertEquals(
    temporaryPath("sessions", 1_763_629_200_000, RANDOM),
    `sessions/.tmp-001763629200000-${RANDOM}`,
  );
  const tag = "e7207273";
  assertEquals(userIndexPath("sessions"), "sessions/.users");
  assertEquals(bucketPath("sessions", tag), "sessions/.users/e7");
  assertEquals(bucketLockPath("sessions", tag), "sessions/.users/e7/.lock");
  assertEquals(
    entryPath("sessions", { tag, id: ID }),
    `sessions/.users/e7/e7207273-${ID}`,
  );
});

Deno.test("parseEntry() reads names that entryPath() makes, and no others", () => {
  const tag = "e7207273";
  for (const id of [ID, "a-b_c-d_e-f_0-1_2", "0".repeat(64)]) {
    const name = entryPath("", { tag, id }).split("/").at(-1)!;
    assertEquals(parseEntry(name), { tag, id });
    const others = [
      "",
      id,
      `${tag}${id}`,
      `${tag}_${id}`,
      `${tag}-`,
      `${tag}-${id}.bad`,
      `--------${id}`,
      `${tag.toUpperCase()}-${id}`,
      `${tag.slice(1)}-${id}`,
      `${tag}0-${id}`.replace("-", "."),
      `.${name}`,
      `${name}\n`,
      ".lock",
    ];
    for (const other of others) assertEquals(parseEntry(other), undefined);
  }
  assertEquals(["00", "e7"].filter(isBucketName), ["00", "e7"]);
  assertEquals(["", "0", "E7", "e70", "zz", ".."].filter(isBucketName), []);
});

Deno.test("no name of the layout but a session's is a session ID", () => {
  const names = [
    quarantinePath("", ID),
    markerPath(""),
    temporaryPath("", 1, RANDOM),
    lockPath("", ID),
    userIndexPath(""),
  ].map((path) => path.slice(1));
  assertEquals(names.filter(isSessionId), []);
  assertEquals(names.filter(isQuarantineName), [`${ID}.bad`]);
  assertEquals(
    names.filter((name) => temporaryBirth(name) !== undefined).length,
    1,
  );
});

Deno.test("temporaryBirth() reads the birth in a name that temporaryPath() makes", () => {
  for (const birth of [0, 1, 1_763_629_200_000, 999_999_999_999_999]) {
    for (const random of [RANDOM, EARLIER]) {
      const name = temporaryPath("", birth, random).slice(1);
      assertEquals(temporaryBirth(name), birth);
    }
  }
});

Deno.test("temporaryBirth() is undefined for any other name", () => {
  const name = `.tmp-001763629200000-${RANDOM}`;
  const names = [
    "",
    ".tmp",
    ".tmp-",
    name.slice(1),
    name.slice(0, -1),
    `${name}0`,
    `${name}\n`,
    `a${name}`,
    name.toUpperCase(),
    `.tmp-1763629200000-${RANDOM}`,
    `.tmp-0001763629200000-${RANDOM}`,
    `.tmp-00176362920000x-${RANDOM}`,
    `.tmp--01763629200000-${RANDOM}`,
    `.tmp-001763629200000-${RANDOM.replace("f", "g")}`,
    `.tmp-001763629200000_${RANDOM}`,
    ".tmp-editor",
    ID,
    `${ID}.bad`,
    ".latchkey",
  ];
  for (const name of names) assertEquals(temporaryBirth(name), undefined, name);
});

Deno.test("isQuarantineName() is true for a session ID with .bad", () => {
  assertEquals(isQuarantineName(`${ID}.bad`), true);
  const names = ["", ".bad", "short.bad", `${ID}`, `${ID}.BAD`, `${ID}.bad2`];
  for (const name of [...names, `${ID}.bad.bad`, `.${ID}.bad`, `X${ID}.bad`]) {
    assertEquals(isQuarantineName(name), false, name);
  }
});

Deno.test("isLockName() is true for the names that lockPath() makes", () => {
  for (const id of [ID, "a-b_c-d_e-f_0-1_2", "0".repeat(64)]) {
    assertEquals(isLockName(lockPath("sessions", id).slice(9)), true);
  }
  const names = ["", ".lock", ".lock-", ".lock-081", ID, `.lock_${ID}`];
  for (const name of [...names, `.lock-${ID}.bad`, `.lock--${ID.slice(1)}`]) {
    assertEquals(isLockName(name), false, name);
  }
});

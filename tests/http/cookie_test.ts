import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  clearCookie,
  type CookieOptions,
  readCookie,
  resolveCookie,
  writeCookie,
} from "../../src/http/cookie.ts";
import { BAD_COOKIES } from "../manager/set_up.ts";

Deno.test("readCookie() finds a cookie wherever it stands", () => {
  for (
    const header of [
      "s=1",
      "s=1;",
      "a=b; s=1",
      "s=1; a=b",
      "a;s=1;b",
      " \t s=1 \t ;",
      's="1"',
      "xs=2; s=1; s.x=3",
      "a=s=2; s=1",
      "=;; s=1;;;=",
    ]
  ) {
    assertEquals(readCookie(header, "s"), ["1"], header);
  }
});

Deno.test("readCookie() keeps what belongs to the value", () => {
  assertEquals(readCookie("s=a=b", "s"), ["a=b"]);
  assertEquals(readCookie("s=", "s"), [""]);
  assertEquals(readCookie('s=""', "s"), [""]);
  assertEquals(readCookie('s="', "s"), ['"']);
  assertEquals(readCookie('s=""a""', "s"), ['"a"']);
  assertEquals(readCookie("s=%41", "s"), ["%41"]);
});

Deno.test("readCookie() finds nothing where the cookie is missing", () => {
  for (const header of [null, "", "a=b;", "s", "s ;", "xs=1", "a=s=1", "S=1"]) {
    assertEquals(readCookie(header, "s"), [], `${header}`);
  }
});

Deno.test("readCookie() lists all values of a name, in their order", () => {
  assertEquals(readCookie("s=1; s=2", "s"), ["1", "2"]);
  assertEquals(readCookie("s=2; a=b; s=1; s=; s=2", "s"), ["2", "1", "", "2"]);
});

Deno.test("readCookie() never throws", () => {
  for (const header of BAD_COOKIES) {
    for (const name of ["session", "a", "$"]) readCookie(header, name);
  }
});

Deno.test("readCookie() reads a long header in one pass", () => {
  // A counter in place of a clock: a quadratic scan would read 2³⁰ of them.
  for (const unit of ["s=", " s=", ";s=", "  ", "s", "; s=1", '"', " \t"]) {
    const header = unit.repeat(65_536 / unit.length);
    let reads = 0;
    const counted = {
      length: header.length,
      indexOf: (text: string, from: number) => {
        const found = header.indexOf(text, from);
        reads += (found === -1 ? header.length : found) - (from ?? 0);
        return found;
      },
      charCodeAt: (at: number) => (reads++, header.charCodeAt(at)),
      slice: (from: number, to: number) => {
        reads += to - from;
        return header.slice(from, to);
      },
    };
    readCookie(counted as unknown as string, "s");
    assertEquals(reads < 8 * header.length, true, `${unit}: ${reads}`);
  }
});

Deno.test("writeCookie() is HttpOnly, Lax and for the whole site", () => {
  assertEquals(
    writeCookie(resolveCookie(), "x", false),
    "latchkey=x; Path=/; HttpOnly; SameSite=Lax",
  );
});

Deno.test("writeCookie() and clearCookie() are Secure for a request over https, or always if so configured", () => {
  for (
    const [secure, isHttps, expected] of [
      ["auto", false, false],
      ["auto", true, true],
      [true, false, true],
      [false, true, false],
    ] as const
  ) {
    const text = writeCookie(resolveCookie({ secure }), "x", isHttps);
    assertEquals(text.includes("; Secure"), expected, `${secure} ${isHttps}`);
    const cleared = clearCookie(resolveCookie({ secure }), isHttps);
    assertEquals(cleared.includes("; Secure"), expected);
  }
});

Deno.test("writeCookie() rounds milliseconds up to seconds, from 0", () => {
  const cookie = resolveCookie();
  for (const [maxAge, seconds] of [[1, 1], [1000, 1], [1001, 2], [-5, 0]]) {
    const text = writeCookie(cookie, "x", false, maxAge);
    assertStringIncludes(text, `; Max-Age=${seconds}`);
  }
});

Deno.test("writeCookie() refuses a value that would end the cookie", () => {
  for (const value of ["a;b", "a b", 'a"', "a,b", "a\\b", "ä", "a\r\nx: y"]) {
    assertThrows(
      () => writeCookie(resolveCookie(), value, true),
      TypeError,
      "value",
    );
  }
});

Deno.test("clearCookie() repeats the attributes", () => {
  const cookie = resolveCookie({
    name: "sid",
    path: "/app",
    domain: "example.org",
    sameSite: "Strict",
    secure: true,
  });
  const attributes =
    "; Path=/app; Domain=example.org; HttpOnly; SameSite=Strict; Secure";
  assertEquals(writeCookie(cookie, "x", true), `sid=x${attributes}`);
  assertEquals(
    clearCookie(cookie, true),
    `sid=${attributes}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT`,
  );
});

Deno.test("resolveCookie() holds __Host- and __Secure- to their rules", () => {
  assertEquals(resolveCookie({ name: "__Host-s" }).secure, true);
  assertEquals(resolveCookie({ name: "__Secure-s" }).secure, true);
  const refused: [options: CookieOptions, problem: string][] = [
    [{ name: "__Host-s", secure: false }, "needs secure: true"],
    [{ name: "__hOST-s", secure: false }, "needs secure: true"],
    [{ name: "__Secure-s", secure: false }, "needs secure: true"],
    [{ name: "__Host-s", path: "/app" }, 'needs the path "/"'],
    [{ name: "__Host-s", domain: "example.org" }, "allows no domain"],
  ];
  for (const [options, problem] of refused) {
    assertThrows(() => resolveCookie(options), TypeError, problem);
  }
});

Deno.test("resolveCookie() makes a cookie with SameSite=None Secure, as browsers want it", () => {
  const cookie = resolveCookie({ sameSite: "None" });
  assertStringIncludes(
    writeCookie(cookie, "x", false),
    "; SameSite=None; Secure",
  );
  assertStringIncludes(clearCookie(cookie, false), "; SameSite=None; Secure");
  for (const secure of [true, "auto"] as const) {
    assertEquals(resolveCookie({ sameSite: "None", secure }).secure, true);
  }
});

Deno.test("resolveCookie() refuses options of other libraries, and names the right ones", () => {
  const refused: [options: Record<string, unknown>, problem: string][] = [
    [{ maxAge: 60 }, "maxAge is not an option of it: set idleTimeout"],
    [
      { expires: new Date() },
      "expires is not an option of it: set idleTimeout",
    ],
    [{ httpOnly: false }, "httpOnly is always on"],
    [{ httpOnly: true }, "httpOnly is always on"],
    [{ samesite: "Strict" }, "samesite is not one of name, path, domain"],
    [{ constructor: 1 }, "constructor is not one of"],
  ];
  for (const [options, problem] of refused) {
    assertThrows(() => resolveCookie(options), TypeError, problem);
  }
  resolveCookie({ maxAge: undefined } as CookieOptions);
});

Deno.test("resolveCookie() refuses what browsers would misread", () => {
  for (
    const options of [
      { name: "" },
      { name: "a b" },
      { name: "a=b" },
      { name: "a;b" },
      { name: "ä" },
      { path: "" },
      { path: "app" },
      { path: "/a;b" },
      { path: "/a\nb" },
      { domain: "" },
      { domain: "a b" },
      { domain: "example.org;" },
      { domain: "example..org" },
      { sameSite: "lax" },
      { sameSite: "None", secure: false },
      { secure: "yes" },
    ]
  ) {
    assertThrows(
      () => resolveCookie(options as CookieOptions),
      TypeError,
      "Cannot use the cookie",
      JSON.stringify(options),
    );
  }
});

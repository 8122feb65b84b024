import { assertEquals, assertThrows } from "@std/assert";
import {
  type CrossOriginOptions,
  isCrossOrigin,
} from "../../src/http/cross_origin.ts";

const OWN = "https://app.example.com";
const HOST = "app.example.com";
const OTHER = "https://evil.example";

/** Asks for a method and headers, with the `Host` of the server. */
function check(
  method: string,
  headers: Record<string, string>,
  options?: CrossOriginOptions,
): boolean {
  return isCrossOrigin(
    { method, headers: new Headers({ host: HOST, ...headers }) },
    options,
  );
}

Deno.test("isCrossOrigin() asks Sec-Fetch-Site first", () => {
  const answers: [site: string, isCross: boolean][] = [
    ["same-origin", false],
    ["none", false],
    ["same-site", true],
    ["cross-site", true],
    ["same-origin, cross-site", true],
    ["Same-Origin", true],
    ["anything", true],
  ];
  for (const [site, expected] of answers) {
    // `Origin` decides nothing where `Sec-Fetch-Site` has.
    for (const origin of [{}, { origin: OWN }, { origin: "null" }]) {
      const headers = { "sec-fetch-site": site, ...origin };
      assertEquals(check("POST", headers), expected, JSON.stringify(headers));
    }
  }
});

Deno.test("isCrossOrigin() compares Origin with Host where Sec-Fetch-Site is missing", () => {
  const answers: [origin: string, host: string, isCross: boolean][] = [
    [OWN, HOST, false],
    ["http://app.example.com", HOST, false],
    [OWN, "App.Example.com:443", false],
    [`${OWN}:8443`, `${HOST}:8443`, false],
    ["http://[::1]:8000", "[::1]:8000", false],
    [OTHER, HOST, true],
    ["null", HOST, true],
    ["null", "null", true],
    [`${OWN}:8443`, HOST, true],
    [OWN, `${HOST}:8443`, true],
    ["https://app.example.com.evil.example", HOST, true],
    ["https://other.example.com", HOST, true],
    [`${OWN}, ${OTHER}`, HOST, true],
    ["not an origin", HOST, true],
    [OWN, "", true],
    [OWN, "not a host", true],
  ];
  for (const [origin, host, expected] of answers) {
    const isCross = check("POST", { origin, host });
    assertEquals(isCross, expected, `${origin} ${host}`);
  }
});

Deno.test("isCrossOrigin() takes the host of the URL where there is no Host", () => {
  const headers = new Headers({ origin: OWN });
  const ask = (url?: string) => isCrossOrigin({ method: "POST", headers, url });
  assertEquals([`${OWN}/path`, `${OTHER}/`, "/path", undefined].map(ask), [
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("isCrossOrigin() lets a client pass that is not a browser", () => {
  assertEquals(check("POST", {}), false);
  assertEquals(check("DELETE", { origin: "", "sec-fetch-site": "" }), false);
});

Deno.test("isCrossOrigin() lets safe methods pass, but not a GET that opens a WebSocket", () => {
  const foreign: Record<string, string>[] = [
    { "sec-fetch-site": "cross-site" },
    { origin: OTHER },
    { origin: "null" },
  ];
  for (const headers of foreign) {
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      assertEquals(check(method, headers), false, method);
      assertEquals(check(method, { ...headers, upgrade: "h2c" }), false);
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "X"]) {
      assertEquals(check(method, headers), true, method);
    }
    for (const upgrade of ["websocket", "WebSocket", "h2c, websocket"]) {
      assertEquals(check("GET", { ...headers, upgrade }), true, upgrade);
    }
  }
  assertEquals(check("GET", { origin: OWN, upgrade: "websocket" }), false);
  assertEquals(check("GET", { upgrade: "websocket" }), false);
});

Deno.test("isCrossOrigin() lets trusted origins pass, and no others", () => {
  const trustedOrigins = [OTHER, "capacitor://localhost", `${OWN}:8443`];
  const ask = (headers: Record<string, string>) =>
    check("POST", headers, { trustedOrigins });
  for (const origin of trustedOrigins) {
    assertEquals(ask({ origin }), false, origin);
    assertEquals(ask({ origin, "sec-fetch-site": "cross-site" }), false);
  }
  for (const origin of ["null", `${OTHER}:8443`, "http://evil.example"]) {
    assertEquals(ask({ origin, "sec-fetch-site": "cross-site" }), true, origin);
  }
  assertEquals(ask({ "sec-fetch-site": "cross-site" }), true);
});

Deno.test("isCrossOrigin() refuses what is not an origin among the trusted ones", () => {
  const wrong = ["", "*", "null", HOST, `${OWN}/`, `${OWN}:443`, "https://A.b"];
  for (const origin of wrong) {
    const options = { trustedOrigins: [origin] };
    assertThrows(() => check("GET", {}, options), TypeError, "not an origin");
  }
});

Deno.test("isCrossOrigin() believes X-Forwarded-Host with trustProxy only", () => {
  const headers = {
    host: "10.0.0.1:8000",
    origin: OWN,
    "x-forwarded-host": `${HOST}, 10.0.0.2`,
  };
  assertEquals(check("POST", headers), true);
  assertEquals(check("POST", headers, { trustProxy: true }), false);
  const direct = { host: HOST, origin: OWN };
  assertEquals(check("POST", direct, { trustProxy: true }), false);
  const forged = { ...headers, "x-forwarded-host": "evil.example" };
  assertEquals(check("POST", forged, { trustProxy: true }), true);
});

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { addHeaders, completeResponse } from "../../src/http/response.ts";
import type { Header } from "../../src/http/transport.ts";

const COOKIE: Header = ["set-cookie", "s=1"];
const VARY = "Cookie";

Deno.test("addHeaders() merges Vary with what is there, once", () => {
  for (
    const [before, after] of [
      [undefined, "Cookie"],
      ["", "Cookie"],
      ["Accept", "Accept, Cookie"],
      ["accept, COOKIE", "accept, COOKIE"],
      ["Cookie2", "Cookie2, Cookie"],
      ["*", "*"],
    ] as const
  ) {
    const headers = new Headers(before === undefined ? {} : { vary: before });
    addHeaders(headers, undefined, VARY);
    addHeaders(headers, undefined, VARY);
    assertEquals(headers.get("vary"), after);
  }
});

Deno.test("completeResponse() returns the response unchanged when there is nothing to add", () => {
  const response = Response.redirect("http://localhost/");
  assertStrictEquals(
    completeResponse(response, undefined, undefined),
    response,
  );
});

Deno.test("completeResponse() appends after the application's own cookies", async () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  const response = completeResponse(
    new Response("text", { status: 201, statusText: "Made", headers }),
    COOKIE,
    VARY,
  );
  assertEquals(response.headers.getSetCookie(), ["a=1", "b=2", "s=1"]);
  assertEquals(response.headers.get("vary"), "Cookie");
  assertEquals([response.status, response.statusText], [201, "Made"]);
  assertEquals(await response.text(), "text");
});

Deno.test("completeResponse() adds no cookie to a response object that may be sent again", () => {
  const shared = new Response(null, { status: 204 });
  const sent = completeResponse(shared, COOKIE, VARY);
  assertEquals(sent.headers.getSetCookie(), ["s=1"]);
  assertEquals(shared.headers.getSetCookie(), []);
});

Deno.test("completeResponse() copies a response whose headers are immutable", () => {
  for (const header of [COOKIE, undefined]) {
    const response = completeResponse(
      Response.redirect("http://a/", 303),
      header,
      VARY,
    );
    assertEquals(response.status, 303);
    assertEquals(response.headers.get("location"), "http://a/");
    assertEquals(response.headers.get("vary"), "Cookie");
  }
});

Deno.test("completeResponse() keeps the status of a response without a body", () => {
  for (const status of [101, 204, 205, 304]) {
    const response = completeResponse(
      new Response(null, { status }),
      COOKIE,
      VARY,
    );
    assertEquals(response.status, status);
    assertEquals(response.body, null);
    assertEquals(response.headers.getSetCookie(), ["s=1"]);
  }
});

Deno.test("completeResponse() returns an upgrade as the same object", () => {
  const response = new Response(null, { status: 101 });
  assertStrictEquals(completeResponse(response, COOKIE, VARY), response);
});

Deno.test("completeResponse() returns an error response unchanged", () => {
  const response = Response.error();
  assertStrictEquals(completeResponse(response, COOKIE, VARY), response);
});

Deno.test("completeResponse() does not read a stream", async () => {
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(new Uint8Array([pulls]));
      if (pulls === 3) controller.close();
    },
  }, { highWaterMark: 0 });
  const response = completeResponse(new Response(stream), COOKIE, VARY);
  assertEquals(pulls, 0);
  assert(response.body !== null);
  assertEquals([...await response.bytes()], [1, 2, 3]);
});

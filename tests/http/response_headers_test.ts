import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { addHeaders, varyOnCookie } from "../../src/http/response_headers.ts";

const cookie = new Headers([["set-cookie", "s=1"], ["vary", "Cookie"]]);
const vary = new Headers({ vary: "Cookie" });

Deno.test("varyOnCookie() merges with what is there, once", () => {
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
    varyOnCookie(headers);
    varyOnCookie(headers);
    assertEquals(headers.get("vary"), after);
  }
});

Deno.test("addHeaders() leaves a response alone when there is nothing to add", () => {
  const response = Response.redirect("http://localhost/");
  assertStrictEquals(addHeaders(response, new Headers()), response);
});

Deno.test("addHeaders() appends after the application's own cookies", async () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  const response = addHeaders(
    new Response("text", { status: 201, statusText: "Made", headers }),
    cookie,
  );
  assertEquals(response.headers.getSetCookie(), ["a=1", "b=2", "s=1"]);
  assertEquals(response.headers.get("vary"), "Cookie");
  assertEquals([response.status, response.statusText], [201, "Made"]);
  assertEquals(await response.text(), "text");
});

Deno.test("addHeaders() gives no cookie to an object that may be sent again", () => {
  const shared = new Response(null, { status: 204 });
  const sent = addHeaders(shared, cookie);
  assertEquals(sent.headers.getSetCookie(), ["s=1"]);
  assertEquals(shared.headers.getSetCookie(), []);
});

Deno.test("addHeaders() copies a response whose headers are immutable", () => {
  for (const added of [cookie, vary]) {
    const response = addHeaders(Response.redirect("http://a/", 303), added);
    assertEquals(response.status, 303);
    assertEquals(response.headers.get("location"), "http://a/");
    assertEquals(response.headers.get("vary"), "Cookie");
  }
});

Deno.test("addHeaders() keeps the status of a response without a body", () => {
  for (const status of [101, 204, 205, 304]) {
    const response = addHeaders(new Response(null, { status }), cookie);
    assertEquals(response.status, status);
    assertEquals(response.body, null);
    assertEquals(response.headers.getSetCookie(), ["s=1"]);
  }
});

Deno.test("addHeaders() keeps an upgrade the object that it is", () => {
  const response = new Response(null, { status: 101 });
  assertStrictEquals(addHeaders(response, cookie), response);
});

Deno.test("addHeaders() passes an error response on", () => {
  const response = Response.error();
  assertStrictEquals(addHeaders(response, cookie), response);
});

Deno.test("addHeaders() hands a stream on without reading it", async () => {
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(new Uint8Array([pulls]));
      if (pulls === 3) controller.close();
    },
  }, { highWaterMark: 0 });
  const response = addHeaders(new Response(stream), cookie);
  assertEquals(pulls, 0);
  assert(response.body !== null);
  assertEquals([...await response.bytes()], [1, 2, 3]);
});

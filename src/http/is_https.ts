/**
 * Tells whether a browser sent a request over https.
 *
 * @param request The request.
 * @param trustProxy Whether `X-Forwarded-Proto` is to be believed.
 */
export function isHttps(request: Request, trustProxy: boolean): boolean {
  if (request.url.startsWith("https:")) return true;
  if (!trustProxy) return false;
  // Of several proxies the first spoke to the browser.
  const protocol = request.headers.get("x-forwarded-proto")?.split(",", 1)[0];
  return protocol?.trim().toLowerCase() === "https";
}

import type { Browser } from "npm:playwright-core@1.65.1";

export type {
  Browser,
  BrowserContextOptions,
  Page,
} from "npm:playwright-core@1.65.1";

/**
 * Starts a headless Chromium.
 *
 * @param executablePath Where it is.
 * @param flags What else it is told.
 */
export async function launchChromium(
  executablePath: string,
  flags: readonly string[] = [],
): Promise<Browser> {
  // Not before it is needed: it looks into the environment.
  const { chromium } = await import("npm:playwright-core@1.65.1");
  return await chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...flags,
    ],
  });
}

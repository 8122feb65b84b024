/**
 * Task `pictures`: takes the pictures of the demo that the README shows, into
 * docs/images.
 *
 * @module
 */

import { findChromium } from "../../.ci/chromium.ts";
import { type Browser, launchChromium } from "./chromium.ts";
import { DemoServer } from "./demo_server.ts";

const WIDE = { width: 1040, height: 1088 };
const NARROW = { width: 390, height: 844 };

/** The pictures, all of the same: what is shown in its two colours is swapped. */
const PICTURES = [
  { name: "light", colorScheme: "light", viewport: WIDE },
  { name: "dark", colorScheme: "dark", viewport: WIDE },
  { name: "narrow", colorScheme: "light", viewport: NARROW },
] as const;

const PHONE = "Safari (iPhone)";
const LAPTOP = "Firefox (Linux)";

/**
 * Takes the pictures, each of a demo of its own.
 *
 * @param browser The browser.
 * @param directory Where to put them.
 */
export async function takePictures(
  browser: Browser,
  directory: string,
): Promise<void> {
  for (const { name, ...look } of PICTURES) {
    await using server = await DemoServer.start();
    for (const userAgent of [PHONE, LAPTOP]) {
      const page = await browser.newPage({ ...look, userAgent });
      const press = async (button: string): Promise<void> => {
        await page.getByRole("button", { name: button, exact: true }).click();
        await page.locator(".notice[role=status]").waitFor();
      };
      await page.goto(server.url);
      await page.fill("input[name=name]", "Ann");
      await page.getByLabel("Remember me").check();
      await press("Log in");
      if (userAgent === PHONE) continue;
      for (const item of ["tea", "a teapot"]) {
        await page.fill("input[name=item]", item);
        await press("Add");
      }
      await press("Count 50 at once");
      await page.goto(server.url);
      await page.screenshot({ path: `${directory}/demo-${name}.png` });
    }
  }
}

if (import.meta.main) {
  const browser = await launchChromium(await findChromium() ?? "chromium");
  await takePictures(browser, "docs/images");
  await browser.close();
}

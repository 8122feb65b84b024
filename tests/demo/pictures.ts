/**
 * Task `pictures`: takes the pictures of the demo that the README shows, into
 * docs/images.
 *
 * @module
 */

import { findChromium } from "../../.ci/chromium.ts";
import { type Browser, launchChromium } from "./chromium.ts";
import { DemoServer } from "./demo_server.ts";

/** The pictures: each has a user of its own, and begins with a card. */
const PICTURES = [
  {
    name: "light",
    user: "Ann",
    card: "body",
    look: { colorScheme: "light", viewport: { width: 1040, height: 1088 } },
  },
  {
    name: "dark",
    user: "Ben",
    card: "#cookie",
    look: { colorScheme: "dark", viewport: { width: 1040, height: 1040 } },
  },
  {
    name: "narrow",
    user: "Eve",
    card: "body",
    look: { colorScheme: "light", viewport: { width: 390, height: 844 } },
  },
] as const;

const PHONE = "Safari (iPhone)";
const LAPTOP = "Firefox (Linux)";

/**
 * Takes the pictures.
 *
 * @param browser The browser.
 * @param url Where the demo is.
 * @param directory Where to put them.
 */
export async function takePictures(
  browser: Browser,
  url: string,
  directory: string,
): Promise<void> {
  for (const { name, user, card, look } of PICTURES) {
    for (const userAgent of [PHONE, LAPTOP]) {
      const options = { ...look, userAgent, reducedMotion: "reduce" } as const;
      const page = await browser.newPage(options);
      const press = async (button: string): Promise<void> => {
        await page.getByRole("button", { name: button, exact: true }).click();
        await page.locator(".notice[role=status]").waitFor();
      };
      await page.goto(url);
      await page.fill("input[name=name]", user);
      await page.getByLabel("Remember me").check();
      await press("Log in");
      if (userAgent === PHONE) continue;
      for (const item of ["tea", "a teapot"]) {
        await page.fill("input[name=item]", item);
        await press("Add");
      }
      await press("Count 50 at once");
      await press("Seal it");
      await page.goto(url);
      // Where the demo keeps sessions if it is not told.
      await page.locator("#file-path").evaluate((element) => {
        element.textContent = element.textContent.replace(
          /.*(?=sessions\/)/,
          "./",
        );
      });
      await page.locator(card).evaluate((element) => element.scrollIntoView());
      await page.screenshot({ path: `${directory}/demo-${name}.png` });
    }
  }
}

if (import.meta.main) {
  await using server = await DemoServer.start();
  const browser = await launchChromium(await findChromium() ?? "chromium");
  await takePictures(browser, server.url, "docs/images");
  await browser.close();
}

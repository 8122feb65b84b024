import type { SessionOf } from "@latchkey/session";
import type { sessions } from "../sessions.ts";

declare global {
  namespace App {
    interface Locals {
      session: SessionOf<typeof sessions>;
    }
  }
}

import { MemorySessionStore, SessionManager } from "@latchkey/session";

export const sessions: SessionManager<{ visits: number }> = new SessionManager({
  store: new MemorySessionStore(),
  idleTimeout: 30 * 60 * 1000, // ms
});

import { isRevocationId } from "../core/revocation.ts";
import { isSessionId } from "../core/token.ts";
import { SessionManager } from "../manager/manager.ts";
import { untilAborted } from "../system/waiting.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { openStore, STORE_OPTIONS } from "./open_store.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";
import { UsageError } from "./usage.ts";

/** Ends sessions: `revoke STORE --user U`, `revoke STORE ID…`. */
export const revoke: ProgramCommand = defineCommand({
  name: "revoke",
  summary: "ends sessions: those of a user, or by their IDs",
  positionals: ["STORE"],
  more: "[ID…]",
  options: {
    user: { value: "USER", help: "end all sessions of this user" },
    json: { help: "print one line of JSON" },
    ...STORE_OPTIONS,
  },
  about:
    `Ends all sessions of a user, or some sessions by their IDs. Servers may run: a
request that is under way with such a session is not saved. Of a user, logins
that have begun, and sessions that no listing finds, are ended as well.

${ADDRESS_HELP}`,
  exitCodes:
    "0 done; 1 failed, or there was no session of an ID; 2 wrong usage;\n130 interrupted.",
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    const [store = "", ...ids] = positionals;
    const { user } = options;
    if ((user === undefined) === (ids.length === 0)) {
      throw new UsageError("Either --user or IDs say what is to be ended");
    }
    for (const id of ids) {
      if (!isSessionId(id) || isRevocationId(id)) {
        throw new UsageError(`ID is not a session ID: ${id}`);
      }
    }
    let revoked = 0;
    call.onInterruption(() =>
      user === undefined
        ? `${revoked} sessions ended, others were not`
        : "the sessions may be shut already; call it again to be sure"
    );
    await using opened = await openStore(store, options, console);
    const missing: string[] = [];
    if (user !== undefined) {
      const manager = new SessionManager({ store: opened.store });
      revoked = await untilAborted(manager.revokeUser(user), signal);
    }
    for (const id of ids) {
      if (await opened.store.delete(id, { signal })) revoked++;
      else missing.push(id);
    }
    console.printResult(
      flags.json,
      { revoked, missing },
      `Revoked: ${revoked}`,
    );
    if (missing.length === 0) return 0;
    console.tell(`There was no session ${missing.join(", ")}`);
    return 1;
  },
});

import {
  isExpired,
  isPlainObject,
  LARGEST_RECORD,
  parseJson,
  type SessionRecord,
  validateRecord,
} from "../core/record.ts";
import { isRevocationId, readRevocation } from "../core/revocation.ts";
import { KEEP, type SessionStore } from "../core/store.ts";
import { isSessionId } from "../core/token.ts";
import { eachUntilAborted } from "../system/waiting.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { reasonOf } from "./console.ts";
import { EXPORT_TYPE } from "./export.ts";
import {
  checkStoreOptions,
  connectStore,
  STORE_OPTIONS,
} from "./open_store.ts";
import type { StoredEntry } from "./session_view.ts";
import {
  ADDRESS_HELP,
  PERMISSIONS_HELP,
  readAddress,
} from "./store_address.ts";

/** The longest line: a record, and what is around it. */
const LONGEST_LINE = LARGEST_RECORD + 1024;

/** Reads sessions from stdin: `import STORE`. */
export const importSessions: ProgramCommand = defineCommand({
  name: "import",
  summary: "reads from stdin what `export --data` wrote",
  positionals: ["STORE"],
  options: { json: { help: "print one line of JSON" }, ...STORE_OPTIONS },
  about:
    `Reads from stdin what \`export STORE --data\` wrote, and adds it to a store. A
session that is there already stays as it is, so after an interruption the same
command goes on. Of the revocations of a user, the latest counts. A session that
the store refuses, as one that is too large for it, is named, and left out; the
exit code is 1 then.

  … import STORE < sessions.ndjson

Sessions that ended after the export live again: their cookies are good again. So
revoke what must stay ended, before servers use the store.

STORE is made if it is missing; it is written as directory:PATH, sqlite:FILE or
kv:FILE then.

${ADDRESS_HELP}`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    const address = readAddress(positionals[0]!, "STORE", true);
    checkStoreOptions(options, address);
    const count = { imported: 0, present: 0, expired: 0, refused: 0 };
    const describe = () => `${count.imported} sessions imported`;
    call.onInterruption(() => `${describe()}, others were not`);
    let line = 0;
    const sayWhere = (error: unknown) => {
      if (signal.aborted) throw error;
      throw new Error(
        `Cannot import line ${line + 1}: ${reasonOf(error)} (${describe()})`,
        { cause: error },
      );
    };
    await using lines = linesOf(console.stdin, signal);
    // Before there is a store: what is no export makes none.
    await readHeader(lines, signal).catch(sayWhere);
    line++;
    await using opened = await connectStore(address, options, {
      console,
      create: true,
    });
    await opened.store.setup();
    let seen = 0;
    let written: unknown;
    try {
      for await (const text of lines) {
        const object = objectOf(text);
        if ("sessions" in object) written = object.sessions;
        else {
          const entry = entryOf(object);
          if (!isRevocationId(entry[0])) seen++;
          try {
            count[await importEntry(opened.store, entry, signal)]++;
          } catch (error) {
            signal.throwIfAborted();
            // Where that fails, too, the others would be refused as well.
            await opened.store.check({ signal });
            count.refused++;
            console.tell(
              `Cannot import line ${line + 1}, session ${entry[0]}: ${
                reasonOf(error)
              }`,
            );
          }
        }
        console.showProgress(++line, "lines read");
      }
      signal.throwIfAborted();
    } catch (error) {
      sayWhere(error);
    }
    console.endProgress();
    const { imported, present, expired, refused } = count;
    const text =
      `Imported: ${imported}, Already there: ${present}, Expired: ${expired}`;
    console.printResult(
      flags.json,
      count,
      refused > 0 ? `${text}, Refused: ${refused}` : text,
    );
    if (seen === written) return refused > 0 ? 1 : 0;
    console.tell(
      written === undefined
        ? "The export was cut off: its last line is missing"
        : `The export is not as it was written: it says ${written} sessions, and has ${seen}`,
    );
    return 1;
  },
});

/** Adds a session; says what became of it. */
async function importEntry(
  store: SessionStore,
  [id, record, lastAccess]: StoredEntry,
  signal: AbortSignal,
): Promise<"imported" | "present" | "expired"> {
  if (isExpired(record, lastAccess, Date.now())) return "expired";
  if (await store.create(id, record, { lastAccess, signal })) return "imported";
  if (isRevocationId(id)) await keepLatest(store, id, record, signal);
  return "present";
}

/** Puts a revocation in place of an earlier one. */
async function keepLatest(
  store: SessionStore,
  id: string,
  record: SessionRecord,
  signal: AbortSignal,
): Promise<void> {
  const generationOf = (mark: SessionRecord) =>
    readRevocation(mark)?.generation ?? 0;
  await store.update(
    id,
    (there) => generationOf(there) < generationOf(record) ? record : KEEP,
    { signal },
  );
}

/** What a line holds, unchecked. */
type LineObject = Readonly<Record<string, unknown>>;

/** Reads the first line, and refuses what is not that of a complete export. */
async function readHeader(
  lines: AsyncGenerator<string>,
  signal: AbortSignal,
): Promise<void> {
  const { done, value } = await lines.next();
  signal.throwIfAborted();
  if (done) throw new TypeError("there is none");
  const { type, data } = objectOf(value);
  if (type !== EXPORT_TYPE) {
    throw new TypeError("it is not the first line of an export");
  }
  if (data !== true) {
    throw new TypeError("the export has no data: it was made without --data");
  }
}

function entryOf({ id, lastAccess, record }: LineObject): StoredEntry {
  const isEntry = isSessionId(id) && Number.isSafeInteger(lastAccess) &&
    (lastAccess as number) >= 0 && isPlainObject(record);
  if (!isEntry) throw new TypeError("it is not a session");
  const entry = record as unknown as SessionRecord;
  const fault = validateRecord(entry);
  if (fault !== undefined) throw new TypeError(`of its record ${fault}`);
  return [id, entry, lastAccess as number];
}

function objectOf(text: string): LineObject {
  const value: unknown = parseJson(text);
  if (isPlainObject(value)) return value;
  throw new TypeError("it is not a JSON object");
}

/** Streams the lines of a text, and refuses one that no export has. */
async function* linesOf(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = "";
  for await (const bytes of eachUntilAborted(stream, signal)) {
    rest += decoder.decode(bytes, { stream: true });
    if (!rest.includes("\n")) {
      if (rest.length > LONGEST_LINE) throw new TypeError("it is too long");
      continue;
    }
    const lines = rest.split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

/** Talks to a Redis server without a driver: one connection, one command. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The answer of a server. */
export type Answer = string | number | null | Answer[];

/**
 * Sends a command, and returns the answer.
 *
 * @param port The server's, on the loopback.
 * @param command The command and its arguments.
 * @throws {Error} If the answer is an error.
 */
export async function ask(
  port: number,
  ...command: (string | number)[]
): Promise<Answer> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const parts = command.map((part) => {
    const text = String(part);
    return `$${encoder.encode(text).length}\r\n${text}\r\n`;
  });
  const bytes = encoder.encode(`*${parts.length}\r\n${parts.join("")}`);
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
  let text = "";
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("The server closed the connection");
    text += decoder.decode(buffer.subarray(0, read));
    const answer = parse(text, 0);
    if (answer !== undefined) return answer.value;
  }
}

/** Reads an answer, of characters of one byte; `undefined` if it is incomplete. */
function parse(
  text: string,
  at: number,
): { value: Answer; end: number } | undefined {
  const lineEnd = text.indexOf("\r\n", at);
  if (lineEnd < 0) return undefined;
  const line = text.slice(at + 1, lineEnd);
  const start = lineEnd + 2;
  switch (text[at]) {
    case "-":
      throw new Error(line);
    case ":":
      return { value: Number(line), end: start };
    case "$": {
      if (line === "-1") return { value: null, end: start };
      const end = start + Number(line) + 2;
      if (text.length < end) return undefined;
      return { value: text.slice(start, end - 2), end };
    }
    case "*": {
      const value: Answer[] = [];
      let end = start;
      for (let n = 0; n < Number(line); n++) {
        const part = parse(text, end);
        if (part === undefined) return undefined;
        value.push(part.value);
        end = part.end;
      }
      return { value, end };
    }
    default:
      return { value: line, end: start };
  }
}

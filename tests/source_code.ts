/** Reads TypeScript just well enough to tell what it imports. */

/** One import or re-export of a source. */
export interface Import {
  /** Undefined when it is computed. */
  readonly to: string | undefined;
  readonly lazy: boolean;
}

/** A source without comments, its strings replaced by `"0"`, `"1"`, …. */
export interface Code {
  readonly text: string;
  readonly strings: readonly string[];
}

/** Returns what the code imports: as values, as types, lazily, to re-export. */
export function findImports({ text, strings }: Code): Import[] {
  const pattern =
    /\b(?:import|export)\b(?!\s*[.:=])(?:\s*(?<call>\()|[\w\s{},*$]*?\bfrom\b|(?=\s*"))\s*(?:"(?<at>\d+)")?/g;
  const imports: Import[] = [];
  for (const { index, groups } of text.matchAll(pattern)) {
    const { call, at } = groups!;
    if (at === undefined && call === undefined) continue;
    const isType = /\btypeof\s+$/.test(text.slice(0, index));
    imports.push({
      to: at === undefined ? undefined : strings[Number(at)],
      lazy: call !== undefined && !isType,
    });
  }
  return imports;
}

const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|case|typeof))\s*$/;

/**
 * Separates code from comments and strings. Good for formatted TypeScript, not
 * a parser: where a `/` begins a regular expression is told by what precedes.
 */
export function toCode(source: string): Code {
  const strings: string[] = [];
  let text = "";
  /** For each `${` we are in: how many `{` were opened since. */
  const depths: number[] = [];
  let rest = source;
  const take = (length: number): string => {
    const taken = rest.slice(0, length);
    rest = rest.slice(length);
    return taken;
  };
  const takeTemplate = (): void => {
    const [chunk] = rest.match(/^(?:\\[^]|\$(?!\{)|[^`\\$])*/)!;
    take(chunk.length);
    // A hole makes it code: two backquotes stand for all that is literal.
    if (take(1) === "$") {
      take(1);
      depths.push(0);
      text += "`${";
    } else text += "`";
  };
  while (rest.length > 0) {
    const [comment] = rest.match(/^(?:\/\/.*|\/\*[^]*?\*\/)/) ?? [];
    const [string] = rest.match(/^(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')/) ??
      [];
    const [regex] = rest.startsWith("/") && BEFORE_REGEX.test(text.slice(-20))
      ? rest.match(/^\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[\n])+\/\w*/) ?? []
      : [];
    if (comment !== undefined) {
      take(comment.length);
      text += " ";
    } else if (string !== undefined) {
      text += `"${strings.push(take(string.length).slice(1, -1)) - 1}"`;
    } else if (regex !== undefined) {
      take(regex.length);
      text += "/x/";
    } else if (rest.startsWith("`")) {
      take(1);
      text += "`";
      takeTemplate();
    } else if (depths.at(-1) === 0 && rest.startsWith("}")) {
      take(1);
      depths.pop();
      text += "}";
      takeTemplate();
    } else {
      const next = take(1);
      if (depths.length > 0 && next === "{") depths.push(depths.pop()! + 1);
      if (depths.length > 0 && next === "}") depths.push(depths.pop()! - 1);
      text += next;
    }
  }
  return { text, strings };
}

/** HTML that is whole and safe to send; only {@linkcode markup} makes it. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type { Markup };

/** What {@linkcode markup} takes in a hole. */
export type MarkupContent =
  | Markup
  | string
  | number
  | undefined
  | readonly MarkupContent[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Makes HTML from a template. Text in a hole is escaped, so that it stays text
 * between tags and in quoted attributes, the only places where holes may be.
 *
 * @param strings The template's own parts, taken as they are.
 * @param holes HTML, text, lists of both; `undefined` is nothing.
 */
export function markup(
  strings: TemplateStringsArray,
  ...holes: readonly MarkupContent[]
): Markup {
  const texts = holes.map(toText);
  return new Markup(String.raw({ raw: strings }, ...texts));
}

function toText(content: MarkupContent): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(toText).join("");
  return String(content).replace(/[&<>"']/g, (char) => ESCAPES[char]!);
}

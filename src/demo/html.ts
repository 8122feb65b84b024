/** HTML that is complete and safe to send; only {@linkcode markup} makes it. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type { Markup };

/** What {@linkcode markup} takes in a `${}`. */
type MarkupContent =
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
 * Makes HTML from a template. Text in a `${}` is escaped: it stays text between
 * tags and in quoted attributes, the only places where a `${}` may be.
 *
 * @param strings The literal parts of the template, taken unchanged.
 * @param contents HTML, text, lists of both; `undefined` is nothing.
 */
export function markup(
  strings: TemplateStringsArray,
  ...contents: readonly MarkupContent[]
): Markup {
  return new Markup(String.raw({ raw: strings }, ...contents.map(toText)));
}

function toText(content: MarkupContent): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(toText).join("");
  return String(content).replace(/[&<>"']/g, (char) => ESCAPES[char]!);
}

/**
 * Makes the response of a page.
 *
 * @param title The title of the browser's tab.
 * @param main The content of the page.
 * @param status The status code.
 */
export function page(
  title: string,
  main: MarkupContent,
  status = 200,
): Response {
  const document = markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body>
${main}
</body>
</html>
`;
  return respond(document.text, "text/html; charset=utf-8", status);
}

/**
 * Makes the response of a page with one sentence.
 *
 * @param message The sentence: what was done, or why nothing was.
 * @param status The status code.
 */
export function messagePage(message: string, status = 200): Response {
  const main = markup`<main class="message">
<p class="mark"><img src="/icon.svg" alt="" width="40" height="40"></p>
<h1>${message}</h1>
<p><a href="/">Back to the page</a></p>
</main>`;
  return page(message, main, status);
}

/** Makes the response of lines of plain text. */
export function textPage(lines: readonly string[]): Response {
  return respond(`${lines.join("\n")}\n`, "text/plain; charset=utf-8");
}

/**
 * Makes the response after an action: the browser loads another page, and
 * reloading that page does not repeat the action.
 */
export function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { location } });
}

/** Makes a response with a body of a media type. */
export function respond(body: string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

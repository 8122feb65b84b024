/** The page's icon: a key. */
export const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="#1f6f5c"/>
<g fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">
<circle cx="11.5" cy="11.5" r="4.7"/><path d="M15 15l9.5 9.5M20.5 20.5l2.6-2.6M24.5 24.5l2-2"/>
</g></svg>
`;

/** The page's style sheet. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ground: #f5f4f0;
  --card: #ffffff;
  --ink: #1d2321;
  --quiet: #5c6662;
  --line: #dcdcd4;
  --strong: #1f6f5c;
  --on-strong: #ffffff;
  --well: #f0f2ee;
  --notice: #e2f1ea;
  --notice-ink: #12473a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141817;
    --card: #1c2220;
    --ink: #e8ece9;
    --quiet: #9aa6a1;
    --line: #313a37;
    --strong: #5cc4a7;
    --on-strong: #06251d;
    --well: #141a18;
    --notice: #17352c;
    --notice-ink: #b9ecdb;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto;
  padding: 0 1.25rem 3rem;
  max-width: 62rem;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header {
  display: flex;
  flex-wrap: wrap;
  gap: .5rem 1rem;
  align-items: center;
  justify-content: space-between;
  padding: 1.25rem 0;
}
.brand {
  display: inline-flex;
  gap: .6rem;
  align-items: center;
  color: inherit;
  font-weight: 650;
  text-decoration: none;
}
.state {
  padding: .1rem .75rem;
  border: 1px solid var(--line);
  border-radius: 99rem;
  color: var(--quiet);
  font-size: .875rem;
}
.cards {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: 1rem;
}
section, .message {
  padding: 1.25rem 1.4rem;
  border: 1px solid var(--line);
  border-radius: .9rem;
  background: var(--card);
}
.column { display: grid; grid-template-rows: 1fr auto; gap: 1rem; }
.wide, .notice { grid-column: 1 / -1; }
section > :first-child, .message > :first-child { margin-top: 0; }
section > :last-child, .message > :last-child { margin-bottom: 0; }
.owner {
  display: flex;
  flex-wrap: wrap;
  gap: 1rem 2rem;
  align-items: center;
  justify-content: space-between;
  padding: 1.75rem 1.4rem;
}
.owner > div { flex: 1 1 18rem; }
.owner > * { margin: 0; }
.owner p { margin: .5rem 0 0; }
h1 {
  margin: 0;
  font-size: clamp(1.5rem, 1.2rem + 1.6vw, 2.1rem);
  line-height: 1.2;
  letter-spacing: -.015em;
}
h2 {
  margin: 0 0 .75rem;
  color: var(--quiet);
  font-size: .8rem;
  font-weight: 650;
  letter-spacing: .08em;
  text-transform: uppercase;
}
p, dl, pre, ul { margin: .75rem 0; }
a { color: var(--strong); text-underline-offset: .2em; }
.quiet { color: var(--quiet); font-size: .9rem; }
.notice {
  margin: 0;
  padding: .75rem 1.2rem;
  border-radius: .9rem;
  background: var(--notice);
  color: var(--notice-ink);
}
#goodbye { display: none; scroll-margin-top: 5rem; }
#goodbye:target { display: block; }
.number {
  margin: 0 0 .6rem;
  font-size: 3.2rem;
  font-variant-numeric: tabular-nums;
  font-weight: 300;
  line-height: 1;
}
code, pre {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .875em;
}
pre {
  padding: .9rem 1rem;
  border: 1px solid var(--line);
  border-radius: .6rem;
  background: var(--well);
  line-height: 1.6;
  white-space: pre-wrap;
}
dl { display: grid; grid-template-columns: auto 1fr; gap: .3rem 1rem; }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; font-size: .95rem; }
@media (max-width: 34rem) {
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .5rem; }
}
form { margin: 0; }
.row, .buttons { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; }
.row.centred { align-items: center; }
.row > label { flex: 1 1 11rem; }
.row > label:has([type="number"]) { flex: 0 1 8rem; }
label { color: var(--quiet); font-size: .875rem; }
input, button, .button {
  min-height: 2.6rem;
  padding: .4rem .9rem;
  border: 1px solid var(--line);
  border-radius: .6rem;
  background: var(--card);
  color: var(--ink);
  font: inherit;
  font-size: 1rem;
}
input { display: block; width: 100%; margin-top: .2rem; background: var(--well); }
button, .button {
  display: inline-flex;
  align-items: center;
  font-weight: 550;
  text-decoration: none;
  white-space: nowrap;
  cursor: pointer;
}
button:hover, .button:hover { border-color: var(--strong); }
.strong { border-color: var(--strong); background: var(--strong); color: var(--on-strong); }
.strong:hover { filter: brightness(1.08); }
.plain {
  min-height: 0;
  padding: .1rem .4rem;
  border-color: transparent;
  background: none;
  color: var(--quiet);
  font-size: .875rem;
}
:focus-visible { outline: 2px solid var(--strong); outline-offset: 2px; }
.cart { padding: 0; list-style: none; }
.cart:empty { display: none; }
.cart li {
  display: flex;
  gap: 1rem;
  align-items: center;
  justify-content: space-between;
  padding: .35rem 0;
  border-bottom: 1px solid var(--line);
}
.message { max-width: 34rem; margin: 12vh auto 0; padding: 2rem; }
.message h1 { font-size: 1.4rem; line-height: 1.35; text-wrap: pretty; }
.message > * + * { margin-top: 1.1rem; }
.mark { margin: 0 0 1rem; line-height: 0; }
footer { margin-top: 1.5rem; color: var(--quiet); font-size: .875rem; }
`;

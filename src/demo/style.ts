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
  --ground: light-dark(#f6f5f1, #131716);
  --card: light-dark(#ffffff, #1b211f);
  --ink: light-dark(#1d2321, #e6ebe8);
  --quiet: light-dark(#5a6460, #9ca8a3);
  --line: light-dark(#dedfd8, #303936);
  --strong: light-dark(#1f6f5c, #62c8ac);
  --on-strong: light-dark(#ffffff, #06251d);
  --well: light-dark(#f3f4f0, #151a18);
  --notice: light-dark(#12473a, #c3efe0);
  --on-notice: light-dark(#f2fbf7, #0d2b22);
  --mono: ui-monospace, "SF Mono", "JetBrains Mono", Menlo, Consolas, monospace;
  accent-color: var(--strong);
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto;
  padding: 0 1.25rem 5rem;
  max-width: 64rem;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.55 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
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
  font-weight: 600;
  text-decoration: none;
}
.state {
  padding: .1rem .75rem;
  border: 1px solid var(--line);
  border-radius: 99rem;
  color: var(--quiet);
  font-size: .875rem;
}
.cards { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; }
.wide, .card:has(> [open]) { grid-column: 1 / -1; }
.card, .message {
  padding: 1.4rem 1.5rem;
  border: 1px solid var(--line);
  border-radius: .9rem;
  background: var(--card);
}
.card { display: flex; flex-direction: column; scroll-margin-top: 1rem; }
.card > *, .message > * { margin: 0; }
.card > * + * { margin-top: .9rem; }
.card:target { border-color: var(--strong); }
/* At the bottom of the card, so that it does not move when the card changes. */
.card > details { margin-top: auto; padding-top: 1rem; }
h1, h2, h3, p, dl, pre, ul, ol, table { margin: 0; }
h1 {
  font-size: clamp(1.5rem, 1.2rem + 1.6vw, 2.1rem);
  font-weight: 600;
  line-height: 1.2;
  letter-spacing: -.02em;
}
h2 { font-size: 1.05rem; font-weight: 600; letter-spacing: -.005em; }
h3 { margin: 0 0 .4rem; color: var(--quiet); font-size: .875rem; font-weight: 450; }
#visitor { padding: 1.75rem 1.75rem 1.4rem; scroll-margin-top: 6rem; }
#visitor > h2 { display: none; }
#visitor > h2 + * { margin-top: 0; }
.hero {
  display: flex;
  flex-wrap: wrap;
  gap: 1.25rem 2.5rem;
  align-items: start;
  justify-content: space-between;
}
.hero > div { flex: 1 1 20rem; }
.hero > .row { flex: 0 1 24rem; }
.hero p { margin-top: .5rem; max-width: 36rem; text-wrap: pretty; }
a { color: var(--strong); text-underline-offset: .2em; }
.quiet { color: var(--quiet); font-size: .9rem; }
code, pre { font-family: var(--mono); font-size: .8125rem; }
pre {
  padding: .9rem 1rem;
  border: 1px solid var(--line);
  border-radius: .6rem;
  background: var(--well);
  line-height: 1.6;
  white-space: pre-wrap;
}
details { color: var(--quiet); }
summary { width: fit-content; font-size: .875rem; cursor: pointer; }
summary:hover { color: var(--ink); }
details pre { margin-top: .6rem; }
.code b { color: var(--strong); font-weight: inherit; }
.number {
  font-size: 3.4rem;
  font-variant-numeric: tabular-nums;
  font-weight: 300;
  letter-spacing: -.03em;
  line-height: 1;
}
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .2rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--quiet); font-weight: 450; }
tr > :first-child { padding-left: 0; text-align: left; }
tr > :last-child { padding-right: 0; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1.25rem; }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; font-size: .95rem; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1rem; }
.pair > div { display: grid; grid-row: span 2; grid-template-rows: subgrid; }
form { margin: 0; }
.row, .buttons { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; }
.row.centred { align-items: center; }
.row.centred > .quiet { flex: 1 1 20rem; }
.row > label { flex: 1 1 11rem; }
.row > label:has([type="number"]) { flex: 0 1 9rem; }
.row > .check { flex: 1 0 100%; }
label { color: var(--quiet); font-size: .875rem; }
input, button, .button {
  min-height: 2.6rem;
  padding: .4rem .95rem;
  border: 1px solid var(--line);
  border-radius: .6rem;
  background: var(--card);
  color: var(--ink);
  font: inherit;
  font-size: 1rem;
}
input { display: block; width: 100%; margin-top: .2rem; background: var(--well); }
[type="checkbox"] {
  display: inline-block;
  width: 1.1rem;
  min-height: 0;
  height: 1.1rem;
  margin: 0 .35rem 0 0;
  vertical-align: -.15rem;
}
button, .button {
  display: inline-flex;
  align-items: center;
  font-weight: 500;
  text-decoration: none;
  white-space: nowrap;
  cursor: pointer;
}
:disabled { opacity: .5; cursor: default; }
button:enabled:hover, .button:hover { border-color: var(--strong); }
.strong { border-color: var(--strong); background: var(--strong); color: var(--on-strong); }
.strong:hover { filter: brightness(1.08); }
.plain {
  min-height: 0;
  padding: .1rem .4rem;
  margin-inline: -.4rem;
  border-color: transparent;
  background: none;
  color: var(--quiet);
  font-size: .875rem;
}
:focus-visible { outline: 2px solid var(--strong); outline-offset: 2px; }
.list, .steps { padding: 0; list-style: none; }
.list:empty { display: none; }
.list li {
  display: flex;
  gap: 1rem;
  align-items: center;
  justify-content: space-between;
  padding: .45rem 0;
  border-bottom: 1px solid var(--line);
  line-height: 1.4;
}
.steps { display: grid; gap: .6rem; counter-reset: step; }
.steps li {
  display: grid;
  grid-template-columns: 1rem 11rem 1fr;
  gap: .6rem;
  align-items: center;
  counter-increment: step;
}
.steps li::before { content: counter(step); color: var(--quiet); font-variant-numeric: tabular-nums; }
.steps button { width: 100%; justify-content: center; }
.notice {
  position: fixed;
  inset: auto 1rem 1rem;
  z-index: 1;
  width: fit-content;
  max-width: 44rem;
  max-height: 40vh;
  margin: 0 auto;
  padding: .7rem 1.2rem;
  overflow: auto;
  border-radius: .7rem;
  background: var(--notice);
  color: var(--on-notice);
  box-shadow: 0 .4rem 1.6rem rgb(0 0 0 / .22);
}
#goodbye { display: none; }
#goodbye:target { display: block; }
.message { max-width: 34rem; margin: 12vh auto 0; padding: 2rem; }
.message h1 { font-size: 1.4rem; line-height: 1.35; text-wrap: pretty; }
.message > * + * { margin-top: 1.1rem; }
.mark { line-height: 0; }
footer { margin-top: 1rem; color: var(--quiet); font-size: .9rem; }
footer > p { margin: 1rem 0 0; text-align: center; }
@media (max-width: 48rem) {
  body { padding-inline: .9rem; }
  .cards, .pair, dl { grid-template-columns: minmax(0, 1fr); }
  .card, #visitor { padding: 1.2rem 1.1rem; }
  .pair > div + div { margin-top: 1rem; }
  dd { margin-bottom: .5rem; }
}
@media (max-width: 26rem) {
  .steps li { grid-template-columns: 1rem 1fr; }
  .steps .quiet { grid-column: 2; }
}
`;

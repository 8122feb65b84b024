import { escape, svgDocument } from "../svg_document.ts";
import type { Action } from "./contestant.ts";
import type { Cell, Result, Results } from "./results.ts";
import { circumstances, TITLES } from "./to_markdown.ts";

const MARGIN = 16;
const LABELS = 270;
const SCALE = 360;
const VALUES = 200;
const ROW = 22;
const BAR = 14;
const HEAD = 68;
const TOP = 30;
const BOTTOM = 54;
const TICKS = 4;

const STYLE = `
  svg { --peer: #8c959f; --bare: #b6bfc8; }
  @media (prefers-color-scheme: dark) {
    svg { --peer: #8b949e; --bare: #57606a; }
  }
  text.ours { fill: var(--ours); font-weight: 600; } .bad { fill: var(--bad); }
  rect.ours { fill: var(--ours); } rect.floor { fill: var(--floor); }
  rect.peer { fill: var(--peer); } rect.bare { fill: var(--bare); }
  .value { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
  line { stroke: var(--line); }`;

const COUNT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const EXACT = new Intl.NumberFormat("en");

interface Bar {
  readonly result: Result;
  readonly cell: Cell;
}

/** Draws a bar for each contestant at each action, as SVG. */
export function toPlot(all: Results): string {
  let y = HEAD;
  const panels = (Object.keys(TITLES) as Action[]).map((action) => {
    const bars = all.results.flatMap((result): Bar[] => {
      const cell = result.cells[action];
      return cell === undefined ? [] : [{ result, cell }];
    });
    const drawn = `<g transform="translate(${MARGIN} ${y})">${
      panel(action, bars)
    }</g>`;
    y += TOP + bars.length * ROW + BOTTOM;
    return drawn;
  });
  const width = 2 * MARGIN + LABELS + SCALE + VALUES;
  const heading = `Requests per second, ${
    EXACT.format(all.sessions)
  } sessions of 500 B`;
  const legend = "The middle of the rounds; wrk takes one core for itself. " +
    "In red: updates lost, in 32 flows on 100 sessions.";
  const style = STYLE;
  return svgDocument({ heading, width, height: y, style }, [
    `<text class="title" x="${MARGIN}" y="26">${escape(heading)}</text>`,
    `<text class="faint" x="${MARGIN}" y="44">${
      escape(circumstances(all))
    }</text>`,
    `<text class="faint" x="${MARGIN}" y="60">${escape(legend)}</text>`,
    ...panels,
  ]);
}

function panel(action: Action, bars: readonly Bar[]): string {
  const end = roundUp(Math.max(1, ...bars.map(({ cell }) => cell.median)));
  const xOf = (speed: number) => LABELS + SCALE * speed / end;
  const bottom = TOP + bars.length * ROW;
  const parts = [
    `<text class="title" x="${LABELS}" y="20">${escape(TITLES[action])}</text>`,
  ];
  for (let tick = 0; tick <= TICKS; tick++) {
    const speed = end * tick / TICKS;
    const x = xOf(speed).toFixed(1);
    parts.push(
      `<line x1="${x}" y1="${TOP}" x2="${x}" y2="${bottom + 4}"/>`,
      `<text class="faint" x="${x}" y="${bottom + 17}" text-anchor="middle">${
        COUNT.format(speed)
      }</text>`,
    );
  }
  parts.push(
    `<text class="faint" x="${LABELS + SCALE / 2}" y="${
      bottom + 34
    }" text-anchor="middle">requests per second</text>`,
  );
  bars.forEach(({ result, cell }, row) => {
    const { kind, name, changes } = result;
    const middle = TOP + row * ROW + ROW / 2;
    const x = xOf(cell.median);
    const { lost = 0, awaited = 0 } = changes ?? {};
    const trouble = action === "change" && lost > 0
      ? ` <tspan class="bad">${EXACT.format(lost)} of ${
        EXACT.format(awaited)
      } lost</tspan>`
      : "";
    parts.push(
      `<text class="${kind}" x="${LABELS - 8}" y="${
        middle + 4
      }" text-anchor="end">${escape(name)}</text>`,
      `<rect class="${kind}" x="${LABELS}" y="${middle - BAR / 2}" width="${
        (x - LABELS).toFixed(1)
      }" height="${BAR}"/>`,
      `<text class="value ${kind}" x="${(x + 6).toFixed(1)}" y="${
        middle + 4
      }">${COUNT.format(cell.median)}${trouble}</text>`,
    );
  });
  return parts.join("\n");
}

/** The next number that is 1, 2, 4, 6 or 8 and noughts. */
function roundUp(speed: number): number {
  const power = 10 ** Math.floor(Math.log10(speed));
  return power * [1, 2, 4, 6, 8, 10].find((step) => speed <= step * power)!;
}

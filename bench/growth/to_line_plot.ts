import { escape, svgDocument } from "../svg_document.ts";
import type { Chart, ChartPoint } from "./chart.ts";

const LEFT = 74;
const WIDTH = 330;
const RIGHT = 26;
const PANEL = LEFT + WIDTH + RIGHT;
const TOP = 40;
const HEIGHT = 210;
const ROW = TOP + HEIGHT + 60;
const MARGIN = 16;
const HEAD = 70;
const ACROSS = 2;
/** Logarithms that differ by less are of one number. */
const NEAR = 1e-9;

const STYLE = `
  .grid { stroke: var(--line); }
  circle.ours, text.ours { fill: var(--ours); }
  circle.floor, text.floor { fill: var(--floor); }
  path { fill: none; stroke-width: 2; } path.grid { stroke-width: 1; }
  path.ours { stroke: var(--ours); }
  path.floor { stroke: var(--floor); stroke-dasharray: 6 4; }`;

/** What is drawn for each point. */
const SERIES = [
  ["floor", "bare system calls"],
  ["ours", "@latchkey/session"],
] as const;

const COUNT = new Intl.NumberFormat("en", {
  notation: "compact",
  maximumSignificantDigits: 3,
});

/** A logarithmic axis: where a number lies on it, from 0 to 1. */
interface Axis {
  readonly powers: readonly number[];
  at(value: number): number;
}

/**
 * Draws charts beside each other as SVG, both axes logarithmic.
 *
 * @param heading What they show.
 * @param legend How it was measured.
 * @param charts One panel each.
 */
export function toLinePlot(
  heading: string,
  legend: string,
  charts: readonly Chart[],
): string {
  const width = 2 * MARGIN + ACROSS * PANEL;
  const height = HEAD + Math.ceil(charts.length / ACROSS) * ROW;
  const panels = charts.map((chart, n) => {
    const x = MARGIN + (n % ACROSS) * PANEL;
    const y = HEAD + Math.floor(n / ACROSS) * ROW;
    return `<g transform="translate(${x} ${y})">\n${panel(chart)}\n</g>`;
  });
  const keys = SERIES.map(([name, title], n) => {
    const x = MARGIN + n * 190;
    return `<path class="${name}" d="M${x} 62h30"/>
<text class="${name}" x="${x + 38}" y="66">${title}</text>`;
  });
  return svgDocument({ heading, width, height, style: STYLE }, [
    `<text class="title" x="${MARGIN}" y="24">${escape(heading)}</text>`,
    `<text class="faint" x="${MARGIN}" y="43">${escape(legend)}</text>`,
    ...keys,
    ...panels,
  ]);
}

function panel({ title, xTitle, yTitle, points }: Chart): string {
  const values = points.flatMap(({ ours, floor }) =>
    floor === null ? [ours] : [ours, floor]
  );
  const xAxis = axisFrom(points.map(({ x }) => Math.log10(x)));
  const yAxis = axisFrom(values.flatMap(powersAround));
  const xOf = (value: number) => (LEFT + WIDTH * xAxis.at(value)).toFixed(1);
  const yOf = (value: number) =>
    (TOP + HEIGHT * (1 - yAxis.at(value))).toFixed(1);
  const bottom = TOP + HEIGHT;
  const parts = [
    `<text class="title" x="${LEFT}" y="26">${escape(title)}</text>`,
  ];
  for (const power of xAxis.powers) {
    const x = xOf(power);
    parts.push(
      `<path class="grid" d="M${x} ${TOP}V${bottom}"/>`,
      `<text class="faint" x="${x}" y="${bottom + 16}" text-anchor="middle">${
        COUNT.format(power)
      }</text>`,
    );
  }
  for (const power of yAxis.powers) {
    const y = yOf(power);
    parts.push(
      `<path class="grid" d="M${LEFT} ${y}H${LEFT + WIDTH}"/>`,
      `<text class="faint" x="${LEFT - 8}" y="${y}" dy="4" text-anchor="end">${
        COUNT.format(power)
      }</text>`,
    );
  }
  const middle = TOP + HEIGHT / 2;
  parts.push(
    `<text class="faint" x="${LEFT + WIDTH / 2}" y="${
      bottom + 34
    }" text-anchor="middle">${escape(xTitle)}</text>`,
    `<text class="faint" transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${
      escape(yTitle)
    }</text>`,
  );
  for (const [name] of SERIES) {
    const drawn = points.flatMap((point: ChartPoint) => {
      const y = point[name];
      return y === null ? [] : [[xOf(point.x), yOf(y)] as const];
    });
    if (drawn.length === 0) continue;
    const line = drawn.map((each) => each.join(" ")).join("L");
    parts.push(
      `<path class="${name}" d="M${line}"/>`,
      ...drawn.map(([x, y]) =>
        `<circle class="${name}" cx="${x}" cy="${y}" r="4"/>`
      ),
    );
  }
  return parts.join("\n");
}

/** An axis from the least to the greatest, with the powers of ten between. */
function axisFrom(logs: readonly number[]): Axis {
  const from = Math.min(...logs);
  const to = Math.max(...logs);
  const first = Math.ceil(from - NEAR);
  const count = Math.floor(to + NEAR) - first + 1;
  return {
    powers: Array.from({ length: count }, (_, n) => 10 ** (first + n)),
    at: (value) => (Math.log10(value) - from) / (to - from || 1),
  };
}

function powersAround(value: number): [number, number] {
  const from = Math.floor(Math.log10(value) + NEAR);
  return [from, Math.max(from + 1, Math.ceil(Math.log10(value) - NEAR))];
}

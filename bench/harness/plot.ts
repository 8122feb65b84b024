import { importPackage } from "./import_package.ts";

/** One thing that was measured, for each contestant. */
export interface RowPanel {
  readonly title: string;
  readonly unit: string;
  /** Points on a logarithmic axis with these ends; bars from 0 without. */
  readonly domain?: readonly [from: number, to: number];
  readonly rows: readonly Row[];
}

/** One contestant in a {@linkcode RowPanel}. */
export interface Row {
  readonly label: string;
  /** What the colour tells. */
  readonly kind: keyof typeof COLOURS;
  readonly value: number;
  /** What is said beside the value, in red. */
  readonly trouble?: string;
}

/** One cost over what it may grow with, of the store and of the bare calls. */
export interface LinePanel {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly points: readonly {
    readonly x: number;
    readonly ours: number;
    readonly floor: number | null;
  }[];
}

const PACKAGES = { "vega": "6.4.0", "vega-lite": "6.5.0" };

/** Each colour on white, and on black. */
const COLOURS = {
  ours: ["#0a5fd6", "#6cb0ff"],
  floor: ["#7a5af5", "#b9a4ff"],
  peer: ["#59636e", "#a4adb8"],
  bare: ["#8c959f", "#8b949e"],
  database: ["#1a7f37", "#56d364"],
  bad: ["#c4261d", "#ff8a80"],
  ink: ["#1f2328", "#f0f6fc"],
  line: ["#d1d9e0", "#3d444d"],
  paper: ["#ffffff", "#0d1117"],
} as const;
const OURS = "@latchkey/session";
const FLOOR = "bare system calls";

/**
 * Draws panels, two a row, as an SVG document for light and dark pages.
 *
 * @param heading What they show.
 * @param subtitle How it was measured, line by line.
 * @param panels What is drawn.
 * @param columns How many panels stand beside each other.
 */
export async function plot(
  heading: string,
  subtitle: readonly string[],
  panels: readonly (RowPanel | LinePanel)[],
  columns = 2,
): Promise<string> {
  const { compile } = await importPackage<{
    compile(spec: object): { spec: object };
  }>(PACKAGES, "vega-lite");
  const { parse, View } = await importPackage<{
    parse(spec: object): object;
    View: new (spec: object) => { toSVG(): Promise<string> };
  }>(PACKAGES, "vega");
  const [ink, faint, line] = [COLOURS.ink[0], COLOURS.peer[0], COLOURS.line[0]];
  const { spec } = compile({
    background: COLOURS.paper[0],
    padding: 16,
    title: { text: heading, subtitle, anchor: "start", offset: 16 },
    columns,
    spacing: 28,
    concat: panels.map((each) => "rows" in each ? rows(each) : lines(each)),
    config: {
      font: "system-ui, sans-serif",
      view: { stroke: null },
      title: {
        fontSize: 14,
        color: ink,
        subtitleFontSize: 12,
        subtitleColor: faint,
      },
      axis: {
        domain: false,
        ticks: false,
        gridColor: line,
        labelColor: faint,
        labelFontSize: 12,
        labelLimit: 300,
        labelPadding: 6,
        titleColor: faint,
        titleFontSize: 12,
        titleFontWeight: "normal",
      },
      legend: { labelColor: ink, labelFontSize: 12, symbolSize: 900 },
      text: { fontSize: 12 },
    },
  });
  const svg = await new View(parse(spec)).toSVG();
  const dark = Object.values(COLOURS).map(([light, dark]) =>
    `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`
  );
  const style = `<style>@media (prefers-color-scheme: dark) {\n${
    dark.join("\n")
  }\n}</style>`;
  return svg.replace(/(<svg[^>]*>)/, `$1\n${style}\n`)
    .replaceAll(/(<g|<path|<text)/g, "\n$1").replaceAll(/\n+/g, "\n") + "\n";
}

function rows({ title, unit, domain, rows }: RowPanel): object {
  const isOurs = `datum.value === '${OURS}'`;
  const kinds = Object.keys(COLOURS);
  const mark = domain === undefined
    ? { type: "bar", height: { band: 0.65 } }
    : { type: "point", filled: true, opacity: 1, size: 60 };
  return {
    title: { text: title, anchor: "start" },
    width: domain === undefined ? 440 : 260,
    height: { step: 20 },
    data: {
      values: rows.map((row) => ({
        ...row,
        kind: row.trouble === undefined || domain === undefined
          ? row.kind
          : "bad",
      })),
    },
    encoding: {
      y: {
        field: "label",
        sort: null,
        title: null,
        axis: {
          labelColor: conditional(isOurs, COLOURS.ours[0], COLOURS.ink[0]),
          labelFontWeight: conditional(isOurs, "bold", "normal"),
        },
      },
      x: {
        field: "value",
        type: "quantitative",
        title: unit + (domain === undefined ? "" : " (logarithmic)"),
        ...(domain !== undefined && { scale: { type: "log", domain } }),
        axis: { grid: true, ...powersOf(domain) },
      },
      color: {
        field: "kind",
        legend: null,
        scale: {
          domain: kinds,
          range: Object.values(COLOURS).map(([light]) => light),
        },
      },
    },
    layer: [
      {
        mark,
        encoding: {
          ...(domain !== undefined && {
            shape: {
              condition: { test: "datum.kind === 'bad'", value: "cross" },
              value: "circle",
            },
          }),
        },
      },
      {
        transform: [{
          calculate:
            "format(datum.value, datum.value < 1000 ? '.3~r' : '.3~s')",
          as: "text",
        }],
        mark: { type: "text", align: "left", dx: 8 },
        encoding: { text: { field: "text" } },
      },
      ...(domain === undefined
        ? [{
          mark: {
            type: "text",
            align: "left",
            dx: 50,
            color: COLOURS.bad[0],
          },
          encoding: {
            text: { field: "trouble" },
            color: { value: COLOURS.bad[0] },
          },
        }]
        : []),
    ],
  };
}

function lines({ title, xTitle, yTitle, points }: LinePanel): object {
  const xs = points.map(({ x }) => x);
  const values = points.flatMap(({ x, ours, floor }) => [
    ...(floor === null ? [] : [{ x, y: floor, series: FLOOR }]),
    { x, y: ours, series: OURS },
  ]);
  const x = [Math.min(...xs), Math.max(...xs)] as const;
  const y = powersAround(values.map(({ y }) => y));
  const series = [FLOOR, OURS];
  const range = [COLOURS.floor[0], COLOURS.ours[0]];
  return {
    title: { text: title, anchor: "start" },
    width: 330,
    height: 210,
    data: { values },
    mark: { type: "line", point: { size: 60, opacity: 1 } },
    encoding: {
      x: {
        field: "x",
        type: "quantitative",
        title: xTitle,
        scale: { type: "log", domain: x },
        axis: powersOf(x),
      },
      y: {
        field: "y",
        type: "quantitative",
        title: yTitle,
        scale: { type: "log", domain: y },
        axis: powersOf(y),
      },
      color: {
        field: "series",
        title: null,
        scale: { domain: series, range },
        legend: { orient: "top" },
      },
      strokeDash: {
        field: "series",
        title: null,
        scale: { domain: series, range: [[6, 4], [1, 0]] },
      },
    },
  };
}

/** Returns the powers of ten between which some numbers lie. */
export function powersAround(
  values: readonly number[],
): readonly [from: number, to: number] {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.ceil(Math.log10(Math.max(...values)));
  return [10 ** from, 10 ** Math.max(to, from + 1)];
}

/** An axis with the powers of ten alone. */
function powersOf(domain: readonly [number, number] | undefined): object {
  if (domain === undefined) return { tickCount: 4 };
  const [from, to] = domain.map((end) => Math.log10(end) + 1e-9);
  const powers = [];
  for (let n = Math.ceil(from! - 1e-8); n <= to!; n++) powers.push(10 ** n);
  return {
    values: powers,
    labelExpr: "format(datum.value, datum.value < 1 ? '~g' : '~s')",
  };
}

function conditional(test: string, then: string, otherwise: string): object {
  return { condition: { test, value: then }, value: otherwise };
}

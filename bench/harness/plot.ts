import { importPackage } from "./import_package.ts";

/** One thing that was measured, for each contestant. */
export interface RowPanel {
  readonly title: string;
  readonly unit: string;
  /** The ends of a logarithmic axis with points; without, bars from 0. */
  readonly domain?: readonly [from: number, to: number];
  readonly rows: readonly Row[];
}

/** One contestant in a {@linkcode RowPanel}. */
export interface Row {
  readonly label: string;
  /** What the colour tells. */
  readonly kind: keyof typeof COLOURS;
  readonly value: number;
  /** What is said beside a bar, in red. */
  readonly trouble?: string;
}

/** One cost over what it may grow with, of the store and of the bare calls. */
export interface LinePanel {
  readonly title: string;
  /** What grows, with its unit. */
  readonly xTitle: string;
  /** What it costs, with its unit. */
  readonly yTitle: string;
  readonly points: readonly {
    readonly x: number;
    readonly ours: number;
    readonly floor: number | null;
  }[];
}

interface Vega {
  parse(spec: object): object;
  View: new (spec: object) => { toSVG(): Promise<string> };
  textMetrics: Record<
    "width" | "estimateWidth",
    (...text: unknown[]) => number
  >;
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
const [[INK], [FAINT], [BAD]] = [COLOURS.ink, COLOURS.peer, COLOURS.bad];
const OURS = "@latchkey/session";
const FLOOR = "bare system calls";
const CROSS = "M-1-.7-.3 0-1 .7-.7 1 0 .3.7 1 1 .7.3 0 1-.7.7-1 0-.3-.7-1Z";
const CONFIG = {
  font: "system-ui, sans-serif",
  view: { stroke: null },
  title: {
    fontSize: 14,
    color: INK,
    subtitleFontSize: 12,
    subtitleColor: FAINT,
  },
  axis: {
    domain: false,
    ticks: false,
    gridColor: COLOURS.line[0],
    labelColor: FAINT,
    labelFontSize: 12,
    labelFlush: false,
    labelLimit: 0,
    labelPadding: 6,
    titleColor: FAINT,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 10,
  },
  text: { fontSize: 12, align: "left" },
};

/**
 * Draws panels as an SVG document for light and dark pages.
 *
 * @param subtitle How it was measured, line by line.
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
  const vega = await importPackage<Vega>(PACKAGES, "vega");
  const { parse, View, textMetrics } = vega;
  // Without a canvas it takes text for half as wide again as it is.
  textMetrics.width = (...text) => 0.68 * textMetrics.estimateWidth(...text);
  const { spec } = compile({
    background: COLOURS.paper[0],
    padding: 16,
    title: { text: heading, subtitle, anchor: "start", offset: 16 },
    columns,
    spacing: 28,
    concat: panels.map((panel) => ({
      ..."rows" in panel ? rows(panel) : lines(panel),
      title: { text: panel.title, anchor: "start", frame: "group" },
    })),
    config: CONFIG,
  });
  const dark = Object.values(COLOURS).map(([light, dark]) =>
    `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`
  ).join("\n");
  const style =
    `<style>@media (prefers-color-scheme: dark) {\n${dark}\n}</style>`;
  return (await new View(parse(spec)).toSVG())
    .replace(/<svg[^>]*>/, (tag) => `${tag}\n${style}`)
    .replaceAll(/<(g|path|text)/g, "\n<$1") + "\n";
}

function rows({ unit, domain, rows }: RowPanel): object {
  const isOurs = `datum.value === '${OURS}'`;
  const isPoint = domain !== undefined;
  const shape = choice("datum.kind === 'bad'", CROSS, "circle");
  const kinds = {
    domain: Object.keys(COLOURS),
    range: Object.values(COLOURS).map(([light]) => light),
  };
  const figure = "format(datum.value, datum.value < 1e3 ? '.3~r' : '.3~s')";
  return {
    width: isPoint ? 290 : 380,
    height: { step: 20 },
    data: { values: rows },
    encoding: {
      y: {
        field: "label",
        sort: null,
        title: null,
        axis: {
          labelColor: choice(isOurs, COLOURS.ours[0], INK),
          labelFontWeight: choice(isOurs, "bold", "normal"),
        },
      },
      x: {
        field: "value",
        type: "quantitative",
        title: isPoint ? `${unit} (logarithmic)` : unit,
        ...isPoint && { scale: { type: "log", domain } },
        axis: { grid: true, ...isPoint ? powersIn(domain) : { tickCount: 4 } },
      },
      color: { field: "kind", legend: null, scale: kinds },
    },
    layer: [
      isPoint
        ? {
          mark: { type: "point", filled: true, opacity: 1, size: 70 },
          encoding: { shape },
        }
        : { mark: { type: "bar", height: { band: 0.65 } } },
      {
        transform: [{ calculate: figure, as: "figure" }],
        mark: { type: "text", dx: 8 },
        encoding: { text: { field: "figure" } },
      },
      {
        transform: [{ filter: "isValid(datum.trouble)" }],
        mark: { type: "text", dx: 46 },
        encoding: { text: { field: "trouble" }, color: { value: BAD } },
      },
    ],
  };
}

function lines({ xTitle, yTitle, points }: LinePanel): object {
  const values = points.flatMap(({ x, ours, floor }) => [
    ...(floor === null ? [] : [{ x, y: floor, series: FLOOR }]),
    { x, y: ours, series: OURS },
  ]);
  const xs = points.map(({ x }) => x);
  const axis = (title: string, domain: readonly [number, number]) => ({
    type: "quantitative",
    title,
    scale: { type: "log", domain },
    axis: powersIn(domain),
  });
  const series = (range: readonly unknown[]) => ({
    field: "series",
    title: null,
    scale: { domain: [FLOOR, OURS], range },
    legend: {
      orient: "top",
      labelColor: INK,
      labelFontSize: 12,
      labelLimit: 0,
      symbolType: "stroke",
      symbolSize: 700,
    },
  });
  return {
    width: 330,
    height: 210,
    data: { values },
    mark: { type: "line", point: { size: 60, opacity: 1 } },
    encoding: {
      x: { field: "x", ...axis(xTitle, [Math.min(...xs), Math.max(...xs)]) },
      y: {
        field: "y",
        ...axis(yTitle, powersAround(values.map(({ y }) => y))),
      },
      color: series([COLOURS.floor[0], COLOURS.ours[0]]),
      strokeDash: series([[6, 4], [1, 0]]),
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
function powersIn([from, to]: readonly [number, number]): object {
  const powers = Array.from({ length: 20 }, (_, n) => 10 ** (n - 9));
  return {
    values: powers.filter((power) => from <= power && power <= to),
    labelExpr: "format(datum.value, datum.value < 1 ? '~g' : '~s')",
  };
}

function choice(test: string, value: string, otherwise: string): object {
  return { condition: { test, value }, value: otherwise };
}

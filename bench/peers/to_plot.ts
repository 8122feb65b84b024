import { escape, svgDocument } from "../svg_document.ts";
import { type Cell, COLUMNS, type Result, type Results } from "./results.ts";

const LABELS = 258;
const SCALE = 250;
const VALUES = 62;
const PANEL = LABELS + SCALE + VALUES;
const ROW = 19;
const TOP = 34;
const BOTTOM = 48;
const MARGIN = 16;
const HEAD = 80;
const ACROSS = 2;

const STYLE = `
  svg { --peer: #59636e; --database: #1a7f37; }
  @media (prefers-color-scheme: dark) {
    svg { --peer: #a4adb8; --database: #56d364; }
  }
  .ours { fill: var(--ours); } .floor { fill: var(--floor); }
  .peer { fill: var(--peer); } .database { fill: var(--database); }
  .bad { fill: var(--bad); } text.ours { font-weight: 600; }
  line { stroke: var(--line); }`;

const COUNT = new Intl.NumberFormat("en", {
  notation: "compact",
  maximumSignificantDigits: 3,
});

const SPEED = "operations per second";

interface Point {
  readonly result: Result;
  readonly value: number;
  readonly isBad: boolean;
}

interface Panel {
  readonly title: string;
  /** Panels of the same unit have the same scale. */
  readonly unit: string;
  readonly points: readonly Point[];
}

/** From and to which power of ten. */
type Scale = readonly [from: number, to: number];

/** Draws one panel for each thing that was measured, as SVG. */
export function toPlot(all: Results, size: string): string {
  const { machine } = all;
  const panels = panelsOf(all, size).filter(({ points }) => points.length > 0);
  const scales = new Map<string, Scale>();
  for (const { unit } of panels) {
    const values = panels.filter((panel) => panel.unit === unit)
      .flatMap(({ points }) => points.map(({ value }) => value));
    const from = Math.floor(Math.log10(Math.max(1, Math.min(...values))));
    const to = Math.ceil(Math.log10(Math.max(10, ...values)));
    scales.set(unit, [from, Math.max(to, from + 1)]);
  }
  const width = 2 * MARGIN + ACROSS * PANEL;
  let total = HEAD;
  const drawn: string[] = [];
  for (let n = 0; n < panels.length; n += ACROSS) {
    const row = panels.slice(n, n + ACROSS);
    row.forEach((panel, column) => {
      const x = MARGIN + column * PANEL;
      const scale = scales.get(panel.unit)!;
      drawn.push(
        `<g transform="translate(${x} ${total})">${draw(panel, scale)}</g>`,
      );
    });
    const rows = Math.max(...row.map(({ points }) => points.length));
    total += TOP + rows * ROW + BOTTOM;
  }
  const heading = `The store and its peers, 1,000 sessions of ${size}`;
  const legend =
    `${all.date}, ${machine.os}, ${machine.cores} cores, ${machine.fileSystem}, ` +
    `${machine.runtimes.join(", ")}; the middle of ${all.rounds} rounds`;
  const key = "Further right is faster, but for memory. " +
    "× in red: lost updates, corrupt reads, refused changes, wrong cleanup.";
  const style = STYLE;
  return svgDocument({ heading, width, height: total, style }, [
    `<text class="title" x="${MARGIN}" y="26">${escape(heading)}</text>`,
    `<text class="faint" x="${MARGIN}" y="46">${escape(legend)}</text>`,
    `<text class="faint" x="${MARGIN}" y="64">${escape(key)}</text>`,
    ...drawn,
  ]);
}

function panelsOf({ results }: Results, size: string): Panel[] {
  const pointsOf = (find: (result: Result) => Omit<Point, "result"> | false) =>
    results.flatMap((result): Point[] => {
      const point = find(result);
      return point ? [{ result, ...point }] : [];
    });
  const many = results.find((result) => result.many !== undefined)?.many;
  const cleanup = results.find((result) => result.cleanup !== undefined)
    ?.cleanup;
  return [
    ...COLUMNS.map(([column, title]): Panel => ({
      title,
      unit: SPEED,
      points: pointsOf(({ cells }) => {
        const cell = cells[size]?.[column];
        return cell !== undefined && toPoint(cell);
      }),
    })),
    {
      title: "4 processes, load and update, 50/50",
      unit: SPEED,
      points: pointsOf(({ race }) =>
        race !== undefined && {
          value: race.median,
          isBad: toPoint(race).isBad || race.lost > 0,
        }
      ),
    },
    {
      title: `cleanup of ${
        cleanup?.sessions.toLocaleString("en")
      }, half expired`,
      unit: "sessions per second",
      points: pointsOf(({ cleanup }) =>
        cleanup !== undefined &&
        { value: cleanup.median, isBad: cleanup.wrong > 0 }
      ),
    },
    {
      title: "memory, the peak of the process",
      unit: "MiB",
      points: pointsOf(({ memory }) =>
        memory !== undefined &&
        { value: memory.peak / (1_024 * 1_024), isBad: false }
      ),
    },
    {
      title: `load among 1,000`,
      unit: SPEED,
      points: pointsOf(({ many }) => many !== undefined && toPoint(many.few)),
    },
    {
      title: `load among ${many?.sessions.toLocaleString("en")}`,
      unit: SPEED,
      points: pointsOf(({ many }) => many !== undefined && toPoint(many.many)),
    },
  ];
}

function toPoint({ median, corrupt, failed }: Cell): Omit<Point, "result"> {
  return { value: median, isBad: corrupt + failed > 0 };
}

function draw({ title, unit, points }: Panel, [from, to]: Scale): string {
  const xOf = (value: number) =>
    LABELS + SCALE * (Math.log10(value) - from) / (to - from);
  const bottom = TOP + points.length * ROW;
  const parts = [
    `<text class="title" x="${LABELS}" y="20">${escape(title)}</text>`,
  ];
  for (let power = from; power <= to; power++) {
    const x = xOf(10 ** power).toFixed(1);
    parts.push(
      `<line x1="${x}" y1="${TOP - 4}" x2="${x}" y2="${bottom}"/>`,
      `<text class="faint" x="${x}" y="${bottom + 15}" text-anchor="middle">${
        COUNT.format(10 ** power)
      }</text>`,
    );
  }
  parts.push(
    `<text class="faint" x="${LABELS + SCALE / 2}" y="${
      bottom + 32
    }" text-anchor="middle">${unit} (logarithmic)</text>`,
  );
  points.forEach(({ result, value, isBad }, row) => {
    const { kind, name } = result;
    const y = TOP + row * ROW + ROW / 2;
    const x = xOf(Math.max(value, 10 ** from));
    const text = kind === "ours" ? name : `${name}, ${result.runtime}`;
    parts.push(
      `<text class="${kind === "ours" ? "ours" : "name"}" x="${
        LABELS - 8
      }" y="${y + 4}" text-anchor="end">${escape(text)}</text>`,
      isBad
        ? `<text class="bad" x="${x.toFixed(1)}" y="${
          y + 5
        }" text-anchor="middle" font-size="17">×</text>`
        : `<circle class="${kind}" cx="${x.toFixed(1)}" cy="${y}" r="4.5"/>`,
      `<text class="${isBad ? "bad" : kind}" x="${(x + 9).toFixed(1)}" y="${
        y + 4
      }">${COUNT.format(value)}</text>`,
    );
  });
  return parts.join("\n");
}

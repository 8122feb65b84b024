import { COLUMNS, type Result, type Results } from "./results.ts";

const LABELS = 258;
const SCALE = 250;
const VALUES = 62;
const PANEL = LABELS + SCALE + VALUES;
const ROW = 19;
const TOP = 34;
const BOTTOM = 48;
const MARGIN = 16;
const HEAD = 62;
const ACROSS = 2;

const STYLE = `
  svg { --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --paper: #ffffff;
    --ours: #0a5fd6; --floor: #7a5af5; --peer: #59636e; --database: #1a7f37;
    --bad: #c4261d; font: 12px system-ui, sans-serif; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --faint: #a4adb8; --line: #3d444d; --paper: #0d1117;
      --ours: #6cb0ff; --floor: #b9a4ff; --peer: #a4adb8; --database: #56d364;
      --bad: #ff8a80; }
  }
  text { fill: var(--ink); } .faint { fill: var(--faint); }
  .title { font-weight: 600; font-size: 14px; } .ours { fill: var(--ours); }
  .floor { fill: var(--floor); } .peer { fill: var(--peer); }
  .database { fill: var(--database); } .bad { fill: var(--bad); }
  text.ours { font-weight: 600; }
  line { stroke: var(--line); } .paper { fill: var(--paper); }`;

const COUNT = new Intl.NumberFormat("en", {
  notation: "compact",
  maximumSignificantDigits: 3,
});

interface Point {
  readonly result: Result;
  readonly speed: number;
  readonly isBad: boolean;
}

/** Draws one panel for each column and one for the four processes, as SVG. */
export function toPlot(all: Results, size: string): string {
  const { machine, results } = all;
  const panels = [
    ...COLUMNS.map(([column, title]) => ({
      title,
      points: results.flatMap((result): Point[] => {
        const cell = result.cells[size]?.[column];
        if (cell === undefined) return [];
        const isBad = cell.corrupt + cell.failed > 0;
        return [{ result, speed: cell.median, isBad }];
      }),
    })),
    {
      title: "4 processes, load and update, 50/50",
      points: results.flatMap((result): Point[] => {
        const { race } = result;
        if (race === undefined) return [];
        const isBad = race.corrupt + race.failed + race.lost > 0;
        return [{ result, speed: race.median, isBad }];
      }),
    },
  ].filter(({ points }) => points.length > 0);

  const speeds = panels.flatMap(({ points }) => points.map((it) => it.speed));
  const from = Math.floor(Math.log10(Math.max(1, Math.min(...speeds))));
  const to = Math.ceil(Math.log10(Math.max(10, ...speeds)));
  const rows = Math.max(...panels.map(({ points }) => points.length));
  const height = TOP + rows * ROW + BOTTOM;
  const width = 2 * MARGIN + ACROSS * PANEL;
  const total = HEAD + Math.ceil(panels.length / ACROSS) * height + MARGIN;
  const drawn = panels.map(({ title, points }, n) => {
    const x = MARGIN + (n % ACROSS) * PANEL;
    const y = HEAD + Math.floor(n / ACROSS) * height;
    return `<g transform="translate(${x} ${y})">${
      panel(title, points, from, to)
    }</g>`;
  });
  const heading = `Operations per second, 1,000 sessions of ${size}`;
  const legend =
    `${all.date}, ${machine.cores} cores, ${machine.fileSystem}, ` +
    `Deno ${machine.deno}` +
    (machine.node === null ? "" : `, Node ${machine.node}`) +
    `; the middle of ${all.rounds} rounds, further right is faster. ` +
    "× in red: lost updates, corrupt reads or refused changes.";
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" viewBox="0 0 ${width} ${total}" role="img">
<title>${escape(heading)}</title>
<style>${STYLE}
</style>
<rect class="paper" width="${width}" height="${total}"/>
<text class="title" x="${MARGIN}" y="26">${escape(heading)}</text>
<text class="faint" x="${MARGIN}" y="46">${escape(legend)}</text>
${drawn.join("\n")}
</svg>
`;
}

function panel(
  title: string,
  points: readonly Point[],
  from: number,
  to: number,
): string {
  const xOf = (speed: number) =>
    LABELS + SCALE * (Math.log10(speed) - from) / (to - from);
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
    }" text-anchor="middle">operations per second (logarithmic)</text>`,
  );
  points.forEach(({ result, speed, isBad }, row) => {
    const { kind, name, runtime } = result;
    const y = TOP + row * ROW + ROW / 2;
    const x = xOf(Math.max(speed, 10 ** from));
    const text = kind === "ours" ? name : `${name}, ${runtime}`;
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
      }">${COUNT.format(speed)}</text>`,
    );
  });
  return parts.join("\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const STYLE = `
  svg { --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --paper: #ffffff;
    --ours: #0a5fd6; --floor: #7a5af5; --bad: #c4261d;
    font: 12px system-ui, sans-serif; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --faint: #a4adb8; --line: #3d444d; --paper: #0d1117;
      --ours: #6cb0ff; --floor: #b9a4ff; --bad: #ff8a80; }
  }
  text { fill: var(--ink); } .faint { fill: var(--faint); }
  .title { font-weight: 600; font-size: 14px; }
  .paper { fill: var(--paper); }`;

/** What {@linkcode svgDocument} takes. */
export interface SvgDocumentOptions {
  /** What is shown, as text. */
  readonly heading: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** What is styled beside the common parts. */
  readonly style: string;
}

/**
 * Makes an SVG document that can be read in light and dark.
 *
 * @param options See there.
 * @param parts What is drawn, as SVG.
 */
export function svgDocument(
  { heading, width, height, style }: SvgDocumentOptions,
  parts: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escape(heading)}</title>
<style>${STYLE}${style}
</style>
<rect class="paper" width="${width}" height="${height}"/>
${parts.join("\n")}
</svg>
`;
}

/** Makes text fit for SVG. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** How much longer than in CI the searching tests run: `deno task soak`. */
export const EFFORT: number = Deno.args.includes("soak") ? 20 : 1;

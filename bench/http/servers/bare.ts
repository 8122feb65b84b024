import type { Open } from "../contestants.ts";

/** Answers a constant: what a server costs that does nothing. */
export const open: Open = () => {
  const answer = () => new Response("0 0");
  return { make: answer, read: answer, change: answer };
};

/** What is compared with the bare system calls. */
export type OperationName =
  | "load"
  | "load, touch"
  | "save"
  | "update"
  | "create"
  | "delete"
  | "request that reads"
  | "request that changes";

/**
 * Our speed in units of the bare calls' at 500 B and at 4 KiB, as it was on a
 * quiet machine.
 */
export const KNOWN: Readonly<
  Record<OperationName, readonly [small: number, large: number]>
> = {
  "load": [0.84, 0.92],
  "load, touch": [0.84, 0.74],
  "save": [0.91, 0.94],
  "update": [0.89, 0.92],
  "create": [0.80, 0.88],
  "delete": [0.79, 0.84],
  "request that reads": [0.55, 0.62],
  "request that changes": [0.5, 0.5],
};

/** How much of what is known must be reached: the rest is left to noise. */
export const MARGIN = 0.7;

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
 * quiet machine; files that are deleted with their entry in the index of users.
 */
export const KNOWN: Readonly<
  Record<OperationName, readonly [small: number, large: number]>
> = {
  "load": [0.85, 0.91],
  "load, touch": [0.90, 0.76],
  "save": [0.72, 0.78],
  "update": [0.74, 0.78],
  "create": [0.95, 0.90],
  "delete": [0.55, 0.53],
  "request that reads": [0.57, 0.63],
  "request that changes": [0.41, 0.38],
};

/** How much of what is known must be reached: the rest is left to noise. */
export const MARGIN = 0.7;

/**
 * The URL of this module. Only in a bundle, whose modules have one URL, is it
 * that of `mod.ts`.
 */
export const MODULE_URL: string = import.meta.url;

/*
 * Which of the cookies of a request is ours. Others may have the same name:
 * another application's, one that a neighbouring host has planted, or one of
 * ours from before Domain, Path or Partitioned changed.
 */
import { parseToken, type Token } from "../core/token.ts";

/**
 * Finds the tokens among what a client sent; the same one counts once.
 *
 * @param texts Any texts at all.
 */
export function findTokens(texts: readonly string[]): Token[] {
  const tokens = new Map<string, Token>();
  for (const text of texts) {
    const token = parseToken(text);
    if (token !== undefined) tokens.set(text, token);
  }
  return [...tokens.values()];
}

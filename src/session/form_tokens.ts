import { createSecret } from "../core/token.ts";

/** How many may be outstanding; a new one replaces the oldest, as in session3. */
const MAX_TOKENS = 32;

/** Does to a record's tokens what was done to these. May be called again. */
type FormTokensChange = (tokens: readonly string[]) => readonly string[];

/**
 * The form tokens that were issued and not used, oldest first. A token is as
 * hard to guess as a secret: it proves that a form came from our own page.
 */
export class FormTokens {
  #base: readonly string[];
  #added: readonly string[] = [];
  readonly #removed = new Set<string>();
  #isCleared = false;

  constructor(base: readonly string[] = []) {
    this.#base = base;
  }

  /** Whether none is outstanding. */
  get isEmpty(): boolean {
    return this.#added.length === 0 &&
      this.#base.every((token) => this.#removed.has(token));
  }

  create(): string {
    const token = createSecret();
    this.#added = [...this.#added, token].slice(-MAX_TOKENS);
    return token;
  }

  has(token: string): boolean {
    return merge(this.#base, this.#added, this.#removed).includes(token);
  }

  /** Whether it was created since the last commit, so that no store knows it. */
  isAdded(token: string): boolean {
    return this.#added.includes(token);
  }

  remove(token: string): boolean {
    if (!this.has(token)) return false;
    if (this.isAdded(token)) {
      this.#added = this.#added.filter((added) => added !== token);
    } else {
      this.#removed.add(token);
    }
    return true;
  }

  /** Removes all, also those that other requests create until the commit. */
  clear(): void {
    this.#base = this.#added = [];
    this.#isCleared = true;
  }

  /** Follows what the store has already done to a token. */
  forget(token: string): void {
    this.#base = this.#base.filter((kept) => kept !== token);
  }

  takeChange(): FormTokensChange | undefined {
    const added = this.#added;
    if (this.#isCleared) return () => added.slice(-MAX_TOKENS);
    if (added.length === 0 && this.#removed.size === 0) return undefined;
    const removed = new Set(this.#removed);
    return (tokens) => merge(tokens, added, removed);
  }
}

function merge(
  tokens: readonly string[],
  added: readonly string[],
  removed: ReadonlySet<string>,
): readonly string[] {
  const rest = tokens.filter((token) => !removed.has(token));
  return [...rest, ...added].slice(-MAX_TOKENS);
}

/**
 * Begins operations at a rate, however long they take, and waits for all.
 *
 * @param rate How many a second.
 * @param act Begins one; returns no promise where there is nothing to wait for.
 */
export async function atRate(
  rate: number,
  seconds: number,
  act: () => Promise<unknown> | undefined,
): Promise<void> {
  const start = performance.now();
  const pending = new Set<Promise<unknown>>();
  for (let begun = 0;;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const spent = (performance.now() - start) / 1_000;
    if (spent >= seconds) break;
    for (; begun < spent * rate; begun++) {
      const operation = act();
      if (operation === undefined) continue;
      pending.add(operation);
      // One that fails stays, and is reported in the end.
      operation.then(() => pending.delete(operation), () => {});
    }
  }
  await Promise.all(pending);
}

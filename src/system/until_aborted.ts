/**
 * Waits for what an engine does, or for the end of all waiting. What is under
 * way then goes on, unseen.
 *
 * @param work What the engine does; it may be done already.
 * @param signal Ends the wait at once, with its reason.
 */
export function untilAborted<T>(
  work: Promise<T> | T,
  signal: AbortSignal | undefined,
): Promise<T> | T {
  if (signal === undefined || !(work instanceof Promise)) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return Promise.race([work, promise]).finally(() =>
    signal.removeEventListener("abort", stop)
  );
}

/**
 * Streams what an engine has, as {@linkcode untilAborted} waits for each.
 *
 * @param source What the engine streams.
 * @param signal Ends a wait at once, with its reason.
 */
export async function* eachUntilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]();
  let isAsked = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      isAsked = true;
      const { done, value } = await untilAborted(items.next(), signal);
      isAsked = false;
      if (done) return;
      yield value;
    }
  } finally {
    const end = items.return?.();
    // It answers this after what it was asked before, maybe never.
    if (isAsked) end?.catch(() => {});
    else await end;
  }
}

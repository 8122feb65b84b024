/**
 * Tells a listener of the application. What it throws, or rejects with, goes to
 * `console.error` and changes nothing else.
 *
 * @param tell Calls the listener; it may be asynchronous.
 * @param failure What the console says before its error.
 */
export function callListener(tell: () => unknown, failure: string): void {
  const fail = (error: unknown): void => console.error(failure, error);
  try {
    // A rejection that nothing handles would end the process.
    Promise.resolve(tell()).catch(fail);
  } catch (error) {
    fail(error);
  }
}

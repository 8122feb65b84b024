/**
 * Lets every call of a method fail.
 *
 * @param target Whose it is.
 * @param method Its name.
 * @param error What each call throws, until the result is disposed of.
 */
export function breakMethod(
  target: object,
  method: string,
  error: Error,
): Disposable {
  const own = Object.getOwnPropertyDescriptor(target, method);
  const value = (): never => {
    throw error;
  };
  Object.defineProperty(target, method, { value, configurable: true });
  return {
    [Symbol.dispose]: () => {
      if (own === undefined) Reflect.deleteProperty(target, method);
      else Object.defineProperty(target, method, own);
    },
  };
}

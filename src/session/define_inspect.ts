/**
 * Decides what a console shows of a class's instances, in Deno and in Node.
 *
 * @param prototype The class's.
 * @param show Says what is shown.
 */
export function defineInspect<T extends object>(
  prototype: T,
  show: (instance: T) => string,
): void {
  // Not as members: `isolatedDeclarations` takes no computed names.
  for (const name of ["Deno.customInspect", "nodejs.util.inspect.custom"]) {
    Object.defineProperty(prototype, Symbol.for(name), {
      value: function (this: T): string {
        return show(this);
      },
    });
  }
}

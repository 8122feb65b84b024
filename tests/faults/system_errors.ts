/*
 * The errors of the operating system as Deno 2.9 throws them: an error without a
 * class in Deno is a plain `Error`, some have a `code`, all have the text of
 * strerror(3). Where a machine can produce one, a test compares the two.
 */

/** The errors of system calls, by their codes. */
export type ErrorName =
  | "ENOSPC"
  | "EIO"
  | "EDQUOT"
  | "EMFILE"
  | "EACCES"
  | "EROFS"
  | "EINTR";

const MAKE: Readonly<Record<ErrorName, () => Error>> = {
  ENOSPC: () =>
    withCode("ENOSPC", new Error("No space left on device (os error 28)")),
  EIO: () => withCode("EIO", new Error("Input/output error (os error 5)")),
  EDQUOT: () => new Error("Disk quota exceeded (os error 122)"),
  EMFILE: () =>
    withCode("EMFILE", new Error("Too many open files (os error 24)")),
  EACCES: () =>
    withCode(
      "EACCES",
      new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
    ),
  EROFS: () =>
    withCode("EROFS", new Error("Read-only file system (os error 30)")),
  EINTR: () =>
    new Deno.errors.Interrupted("Interrupted system call (os error 4)"),
};

/** Every one of them. */
export const ERROR_NAMES = Object.keys(MAKE) as readonly ErrorName[];

/** Makes one, as a failing call throws it. */
export function makeError(name: ErrorName): Error {
  return MAKE[name]();
}

/** An error by its class, code and message, without the path that it names. */
export function describeError(
  error: unknown,
): Readonly<Record<"class" | "code" | "message", unknown>> {
  const { constructor, code, message } = error as Error & { code?: unknown };
  return {
    class: constructor.name,
    code,
    message: message.replace(/(\(os error \d+\)).*$/s, "$1"),
  };
}

function withCode(code: string, error: Error): Error {
  return Object.assign(error, { code });
}

/** As a program: makes one system call, and prints the error that it gives. */
if (import.meta.main) {
  const [from = "", to = ""] = Deno.args;
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    console.log(JSON.stringify(describeError(error)));
  }
}

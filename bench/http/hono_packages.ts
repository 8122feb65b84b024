import { importPackage } from "../harness/import_package.ts";
import { CONTESTANTS, type Handler } from "./contestants.ts";

/** What a handler of Hono is given, as far as it is used here. */
export interface Context<Session> {
  readonly req: { json<T>(): Promise<T> };
  readonly var: { readonly session: Session };
  get(key: "session"): Session;
  text(text: string): Response;
  body(body: null, status: number): Response;
}

/** An application of Hono. */
export interface Hono<Session> {
  use(...middleware: unknown[]): Hono<Session>;
  all(path: string, answer: Answer<Session>): Hono<Session>;
  readonly fetch: Handler;
}

/** Answers one request. */
export type Answer<Session> = (
  context: Context<Session>,
) => Response | Promise<Response>;

/** A storage of `unstorage`. */
export interface Storage {
  getItem(key: string): Promise<object | null>;
  setItem(key: string, value: object): Promise<void>;
  removeItem(key: string): Promise<void>;
}

/** Loads packages in the versions of a contestant. */
export class HonoPackages {
  readonly #versions: Readonly<Record<string, string>>;

  /** @param module The contestant's. */
  constructor(module: string) {
    this.#versions = CONTESTANTS.find((it) => it.module === module)!.packages;
  }

  /** Loads one, or a module in it. */
  load<T>(name: string, path = ""): Promise<T> {
    return importPackage<T>(this.#versions, name, path);
  }

  /** Makes an application that does one thing. */
  async app<Session>(): Promise<() => Hono<Session>> {
    const { Hono } = await this.load<{ Hono: new () => Hono<Session> }>("hono");
    return () => new Hono();
  }

  /** Makes a storage over files. */
  async storage(base: string): Promise<Storage> {
    const { createStorage } = await this.load<{
      createStorage(options: { driver: unknown }): Storage;
    }>("unstorage");
    const { default: driver } = await this.load<{
      default(options: { base: string }): unknown;
    }>("unstorage", "/drivers/fs");
    return createStorage({ driver: driver({ base }) });
  }
}

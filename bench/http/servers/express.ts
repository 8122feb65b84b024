/*
 * Express under Node, a program of its own like `serve.ts`. Packages are named
 * by variables, so that checking this repository downloads none of them.
 *
 *   express.mjs DIRECTORY
 */
import process from "node:process";

interface Visit {
  readonly owner: string;
  readonly count: number;
}

interface Request {
  body: Visit;
  session: { visit?: Visit };
}

interface Response {
  sendStatus(status: number): void;
  send(text: string): void;
}

type Handler = (request: Request, response: Response) => void;

interface Server {
  address(): { port: number };
  once(event: "listening", heard: () => void): void;
}

interface App {
  use(...handlers: unknown[]): void;
  get(path: string, handler: Handler): void;
  post(path: string, handler: Handler): void;
  listen(port: number, hostname: string): Server;
}

interface Express {
  (): App;
  json(): unknown;
}

interface Session {
  (options: object): unknown;
}

type Connect = (session: Session) => new (options: object) => object;

async function load<T>(name: string): Promise<T> {
  const { default: loaded } = await import(name) as { default: T };
  return loaded;
}

async function serve(path: string): Promise<void> {
  const express = await load<Express>("express");
  const session = await load<Session>("express-session");
  const FileStore = (await load<Connect>("session-file-store"))(session);
  const middleware = session({
    store: new FileStore({ path }),
    secret: "a secret of this benchmark",
    resave: false,
    saveUninitialized: false,
  });
  const listen = async (add: (app: App) => void): Promise<number> => {
    const app = express();
    app.use(middleware);
    add(app);
    const server = app.listen(0, "127.0.0.1");
    await new Promise<void>((heard) => server.once("listening", heard));
    return server.address().port;
  };

  const make = await listen((app) => {
    app.use(express.json());
    app.post("/", (request, response) => {
      request.session.visit = request.body;
      response.sendStatus(200);
    });
  });
  const answer = (response: Response, visit: Visit | undefined) => {
    if (visit === undefined) response.sendStatus(401);
    else response.send(`${visit.owner} ${visit.count}`);
  };
  const read = await listen((app) => {
    app.get("/", ({ session }, response) => answer(response, session.visit));
  });
  const change = await listen((app) => {
    app.get("/", ({ session }, response) => {
      const { visit } = session;
      if (visit !== undefined) {
        session.visit = { ...visit, count: visit.count + 1 };
      }
      answer(response, session.visit);
    });
  });
  console.log(`@${JSON.stringify({ done: { make, read, change } })}`);
  process.stdin.on("end", () => process.exit()).resume();
}

await serve(process.argv[2]!);

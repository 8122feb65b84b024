/*
 * Express under Node, a program of its own like `serve.ts`. In JavaScript, as
 * all that loads packages which have no types here.
 *
 *   express.mjs DIRECTORY
 */
import process from "node:process";

// Named by a variable, so that checking this repository downloads none of them.
const load = async (name) => (await import(name)).default;

async function serve(path) {
  const express = await load("express");
  const session = await load("express-session");
  const FileStore = (await load("session-file-store"))(session);
  const middleware = session({
    store: new FileStore({ path }),
    secret: "a secret of this benchmark",
    resave: false,
    saveUninitialized: false,
  });
  const listen = async (add) => {
    const app = express();
    app.use(middleware);
    add(app);
    const server = app.listen(0, "127.0.0.1");
    await new Promise((heard) => server.once("listening", heard));
    return server.address().port;
  };

  const make = await listen((app) => {
    app.use(express.json());
    app.post("/", (request, response) => {
      request.session.visit = request.body;
      response.sendStatus(200);
    });
  });
  const answer = (response, visit) => {
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

await serve(process.argv[2]);

/*
 * The endpoints of session3's own test server, with its texts, for comparison
 * and for curl. `None` and `True` are Python's.
 */
import {
  type Demo,
  type Handler,
  MAX_NAME_LENGTH,
  readLine,
  readMinutes,
  type VisitorSession,
} from "./demo.ts";
import { markup, messagePage, page, textPage } from "./html.ts";

/** `GET /login`: a form. */
export const showLogin: Handler = () => {
  const main = markup`<main class="message">
<h1>Log in</h1>
<form class="row" method="post" action="/login">
<label>Your name
<input name="name" required maxlength="${MAX_NAME_LENGTH}" autocomplete="username"></label>
<button class="strong">Log in</button>
</form>
<p><a href="/">Back to the page</a></p>
</main>`;
  return Promise.resolve(page("Log in", main));
};

/** `POST /login`: logs in, and sets the counter to 0. */
export const login: Handler = async (demo, request, fields) => {
  const name = readLine(fields.get("name"), MAX_NAME_LENGTH);
  if (name === undefined) {
    return messagePage(`A name has 1 to ${MAX_NAME_LENGTH} characters.`, 400);
  }
  return await demo.sessions(request).run(request, (session) => {
    session.setUser(name);
    session.set("counter", 0);
    return messagePage(`Welcome! ${name}`);
  });
};

/** `/logout`: ends the session. */
export const logout: Handler = async (demo, request) =>
  await demo.sessions(request).run(request, (session) => {
    session.destroy();
    return messagePage("Goodbye!");
  });

/** `/counter`: counts from 1, and creates a session if there is none. */
export const counter: Handler = async (demo, request) =>
  await demo.sessions(request).run(request, (session) => {
    const counter = session.update("counter", (n = 0) => n + 1);
    return messagePage(`Counter: ${counter}`);
  });

/** `/create_token`: creates a form token, and shows how it begins. */
export const createToken: Handler = async (demo, request) =>
  await demo.sessions(request).run(request, (session) => {
    const token = session.createFormToken();
    return messagePage(`Token created: ${token.slice(0, 16)}…`);
  });

/** `/check_token`: tells whether form tokens are outstanding. */
export const checkToken: Handler = async (demo, request) =>
  await demo.sessions(request).run(request, async (session) => {
    const tokens = await countFormTokens(demo, session);
    return textPage([
      ...describeOwner(session),
      `has_form_tokens: ${toPython(tokens > 0)}`,
      `form_token_count: ${tokens}`,
      describeAccess(session),
    ]);
  });

/** `/check`: tells what the session holds. */
export const check: Handler = async (demo, request) =>
  await demo.sessions(request).run(request, async (session) => {
    const tokens = await countFormTokens(demo, session);
    return textPage([
      ...describeOwner(session),
      `counter: ${session.get("counter") ?? "N/A"}`,
      // session3 prints the user; here a session may hold data without one.
      `has_info: ${session.user ?? toPython(session.hasInfo)}`,
      `form_tokens_count: ${tokens}`,
      `has_form_tokens: ${toPython(tokens > 0)}`,
      describeAccess(session),
    ]);
  });

/** `/delete_old?minutes=N`: deletes old sessions, possibly the visitor's own. */
export const deleteOldSessions: Handler = async (demo, request, fields) => {
  const query = new URL(request.url).searchParams;
  const minutes = readMinutes(fields.get("minutes") ?? query.get("minutes"));
  if (minutes === undefined) {
    return messagePage("The minutes are a whole number from 0 up.", 400);
  }
  const { deleted, remaining } = await demo.storage.store.deleteOldSessions(
    minutes,
  );
  return messagePage(`Deleted: ${deleted}, Remaining: ${remaining}`);
};

function describeOwner(session: VisitorSession): string[] {
  return [
    `session_id: ${session.isNew ? "None" : session.id}`,
    `user: ${session.user ?? "None"}`,
  ];
}

function describeAccess({ lastAccess }: VisitorSession): string {
  return `Access time: ${new Date(lastAccess).toISOString()}`;
}

async function countFormTokens(
  demo: Demo,
  session: VisitorSession,
): Promise<number> {
  if (session.isNew) return 0;
  const record = await demo.storage.store.load(session.id);
  return record?.formTokens?.length ?? 0;
}

function toPython(value: boolean): string {
  return value ? "True" : "False";
}

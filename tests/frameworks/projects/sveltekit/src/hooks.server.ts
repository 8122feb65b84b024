import type { Handle } from "@sveltejs/kit/hooks";
import { sessions } from "../sessions.ts";

export const handle: Handle = ({ event, resolve }) =>
  sessions.run(event.request, (session) => {
    event.locals.session = session;
    return resolve(event);
  });

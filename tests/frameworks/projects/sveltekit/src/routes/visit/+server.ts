import { text } from "@sveltejs/kit";
import type { RequestHandler } from "./$types";

export const GET: RequestHandler = ({ locals }) => {
  const visits = locals.session.update("visits", (n = 0) => n + 1);
  return text(`Visit ${visits}`);
};

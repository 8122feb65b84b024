import { defineHandler } from "nitro/h3";
import { sessions } from "../sessions.ts";

export default defineHandler(({ req }) => {
  const visits = sessions.of(req)!.update("visits", (n = 0) => n + 1);
  return `Visit ${visits}`;
});

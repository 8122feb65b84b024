import { defineNitroPlugin } from "nitro/runtime";
import { sessions } from "../sessions.ts";

export default defineNitroPlugin((nitro) => {
  const { fetch } = nitro;
  nitro.fetch = (request, ...rest) =>
    request instanceof Request
      ? sessions.run(request, () => fetch(request, ...rest))
      : fetch(request, ...rest);
});

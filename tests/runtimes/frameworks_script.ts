/**
 * Serves the application of the scenario with the framework that the argument
 * names, until its input ends; bundled. Prints its URL.
 */

import { argv, stdin } from "node:process";
import { startExpress } from "../frameworks/express_app.ts";
import { startFastify } from "../frameworks/fastify_app.ts";

const start = argv[2] === "Express 5" ? startExpress : startFastify;
const application = await start();
console.log(application.url);
stdin.resume();
stdin.once("end", () => application[Symbol.asyncDispose]());

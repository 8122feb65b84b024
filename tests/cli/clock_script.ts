/** The command line on a machine whose clock is off, by the ms of the first argument. */

import { main } from "../../src/cli/main.ts";

const [difference, ...args] = Deno.args;
const { now } = Date;
Date.now = () => now() + Number(difference);
Deno.exit(await main(args));

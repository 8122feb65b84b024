export { openAfresh as open } from "./by_hand.ts";

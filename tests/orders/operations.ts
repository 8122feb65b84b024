/** All that is put on the stage. */
import {
  type Operation,
  SESSION_OPERATIONS,
  type SessionOperationName,
} from "./scenes.ts";
import { USER_OPERATIONS, type UserOperationName } from "./users.ts";

/** The name of an operation. */
export type OperationName = SessionOperationName | UserOperationName;

/** Every operation. */
export const OPERATIONS: Record<OperationName, Operation> = {
  ...SESSION_OPERATIONS,
  ...USER_OPERATIONS,
};

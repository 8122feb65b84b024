import { TemporaryDirectory } from "../temporary_directory.ts";
import { testEngine } from "./engine_suite.ts";

testEngine("SqliteSessionStore", {
  isShared: true,
  make: () => {
    const directory = new TemporaryDirectory();
    return Promise.resolve({
      place: { kind: "sqlite", path: directory.join("sessions.db") },
      [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
    });
  },
});

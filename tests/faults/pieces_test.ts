/**
 * A medium that reads or writes fewer bytes than a call asks for, without an
 * error.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { system } from "../../src/system/system.ts";
import { ID } from "../constants.ts";
import { replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import { describeDirectory, layOut } from "./directory_state.ts";
import { FaultySystem } from "./faulty_system.ts";
import {
  isSetup,
  openStore,
  SCENES,
  sessionOf,
  takeOverRecycled,
} from "./scenes.ts";
import { makeError } from "./system_errors.ts";

/** A medium that moves at most this many bytes per call. */
function inPieces(most: number): Disposable {
  const { read, write } = system;
  return replaceSystem({
    read: (file, into) => read(file, into.subarray(0, most)),
    write: (file, bytes) => write(file, bytes.subarray(0, most)),
  });
}

for (const most of [1, 7, 100]) {
  Deno.test(`every operation works in pieces of ${most} bytes`, async () => {
    using place = new TemporaryDirectory();
    const directory = place.join("sessions");
    Deno.mkdirSync(directory, { mode: 0o700 });
    using _pieces = inPieces(most);
    for (const scene of SCENES) {
      const store = openStore(directory, scene);
      if (!isSetup(scene)) await store.setup();
      layOut(directory, scene);
      takeOverRecycled(directory, scene);
      assertEquals(await scene.run(store), scene.answer, scene.title);
      const { files, temporaries } = describeDirectory(directory, scene);
      assertEquals(files, scene.after, scene.title);
      assertEquals(temporaries, []);
      await goOn(store, directory, most);
    }
  });
}

Deno.test("a medium that writes no bytes at all is an error, not an endless loop", async () => {
  using place = new TemporaryDirectory();
  const { path: directory } = place;
  let changes = 0;
  for (const scene of SCENES) {
    const isWriting = Object.values(scene.after).some((text) =>
      text.startsWith("n=2")
    );
    if (!isWriting) continue;
    changes++;
    const store = openStore(directory, scene);
    await store.setup();
    layOut(directory, scene);
    takeOverRecycled(directory, scene);
    const before = describeDirectory(directory, scene);
    {
      using _full = replaceSystem({ write: () => 0 });
      await assertRejects(
        () => scene.run(store),
        Deno.errors.WriteZero,
        "takes no bytes",
        scene.title,
      );
    }
    const { files, temporaries } = describeDirectory(directory, scene);
    assert(
      [before.files, scene.between].some((state) =>
        JSON.stringify(state) === JSON.stringify(files)
      ),
      `${scene.title} left ${JSON.stringify(files)}`,
    );
    assertEquals(temporaries, []);
    await goOn(store, directory, changes);
  }
  assert(changes > 5);
});

Deno.test('a session that is read in pieces is never "no session", whatever fails after the first piece', async () => {
  using place = new TemporaryDirectory();
  const { path: directory } = place;
  const [scene] = SCENES;
  assert(scene !== undefined);
  let faults = 0;
  for (const manner of ["instead", "afterwards", "from then on"] as const) {
    for (let step = 1;; step++) {
      const store = openStore(directory, scene);
      await store.setup();
      layOut(directory, scene);
      takeOverRecycled(directory, scene);
      const error = makeError("EMFILE");
      using _pieces = inPieces(30);
      using faulty = new FaultySystem({ step, manner, makeError: () => error });
      const heard = await store.load(ID).catch((error) => error);
      if (faulty.thrown.length === 0) {
        assertEquals(heard, sessionOf(1));
        break;
      }
      assert(heard === error, `${manner} at call ${step}: ${heard}`);
      faults++;
    }
  }
  assert(faults > 10);
});

"""One process of Django's file backend. See protocol.ts."""

import json
import os
import sys
import time

from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore

FIRST_COUNT = 1_000_000
HOUR = 60 * 60


class CorruptRead(Exception):
    pass


def name_of(n):
    return "%08x" % scattered(n) * 4


def scattered(n):
    return n * 0x9E3779B1 & 0xFFFFFFFF


def value_of(like, owner, changes):
    count = FIRST_COUNT + changes
    note = note_of(like, changes)
    data = {**like["data"], "first": count, "owner": owner, "note": note, "last": count}
    return {**like, "user": f"c-{owner[:6]}@example.org", "data": data}


def note_of(like, changes):
    return like["data"]["note"][changes * 5 % 8 :]


def is_whole(found, like, owner):
    data = found.get("data")
    return (
        data is not None
        and data["owner"] == owner
        and data["first"] >= FIRST_COUNT
        and data["first"] == data["last"]
        and data["note"] == note_of(like, data["first"] - FIRST_COUNT)
    )


class Runner:
    def __init__(self, workload):
        self.ids, self.steps, self.values = workload.values()
        self.stores = {}

    def open(self, size, directory, sessions):
        # The backend remembers the first directory that it is told.
        class SessionStore(FileStore):
            _storage_path = directory

        self.stores[size] = SessionStore
        for key in self.ids[:sessions]:
            self.save(size, key, value_of(self.values[size], key, 0), must_create=True)
        return ["load", "save", "update", "mixed", "race", "clean", "many"]

    def load(self, size, key):
        return self.stores[size](key).load()

    def save(self, size, key, value, must_create=False):
        session = self.stores[size](key)
        session.clear()
        session.update(value)
        session.save(must_create=must_create)

    def update(self, size, key):
        session = self.stores[size](key)
        value = self.check(dict(session.items()), size, key)
        changes = value["data"]["first"] - FIRST_COUNT
        session.update(value_of(self.values[size], key, changes + 1))
        session.save()

    def check(self, found, size, key):
        if is_whole(found, self.values[size], key):
            return found
        raise CorruptRead("read " + json.dumps(found)[:80])

    def run(self, column, size, sessions, turn, milliseconds, at=0):
        steps, length = self.steps, len(self.steps)
        ops = corrupt = failed = 0
        trouble = None
        updates = [0] * sessions if column == "race" else None
        step = turn * 1009
        choice = turn * 1013 + 7919
        changes = turn
        time.sleep(max(0, at / 1000 - time.time()))
        begin = now = time.perf_counter()
        end = begin + milliseconds / 1000
        while ops + corrupt + failed == 0 or now < end:
            if column == "many":
                n = scattered(step) % sessions
                key = name_of(n)
            else:
                n = steps[step % length] % sessions
                key = self.ids[n]
            step += 1
            kind = column
            if column in ("mixed", "race"):
                is_load = steps[choice % length] % 100 < (90 if column == "mixed" else 50)
                kind = "load" if is_load else "save" if column == "mixed" else "update"
                choice += 1
            try:
                if kind == "save":
                    changes += 1
                    self.save(size, key, value_of(self.values[size], key, changes))
                elif kind == "update":
                    self.update(size, key)
                    if updates is not None:
                        updates[n] += 1
                else:
                    self.check(self.load(size, key), size, key)
                ops += 1
            except CorruptRead as error:
                corrupt += 1
                trouble = trouble or str(error)
            except Exception as error:
                failed += 1
                trouble = trouble or repr(error)
            now = time.perf_counter()
        return {
            "ops": ops,
            "milliseconds": (now - begin) * 1000,
            "corrupt": corrupt,
            "failed": failed,
            "trouble": trouble,
            "updates": updates,
        }

    def count(self, size, sessions):
        counts = []
        for key in self.ids[:sessions]:
            found = self.load(size, key)
            whole = is_whole(found, self.values[size], key)
            counts.append(found["data"]["first"] - FIRST_COUNT if whole else None)
        return counts

    # Writes what the backend writes; a session is expired by the time of the file.
    def fill(self, size, **request):
        old = time.time() - settings.SESSION_COOKIE_AGE - HOUR
        for n in range(request["from"], request["to"]):
            session = self.stores[size](name_of(n))
            value = value_of(self.values[size], name_of(n), 0)
            path = session._key_to_file()
            with open(path, "w", encoding="ascii") as file:
                file.write(session.encode(value))
            if request["isExpired"]:
                os.utime(path, (old, old))

    def clean(self, size):
        begin = time.perf_counter()
        self.stores[size].clear_expired()
        milliseconds = (time.perf_counter() - begin) * 1000
        return {"milliseconds": milliseconds, "pause": milliseconds}


settings.configure(SECRET_KEY="only for this race")
with open(sys.argv[2], encoding="utf-8") as file:
    runner = Runner(json.load(file))
print('@{"done":null}', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    act = request.pop("act")
    try:
        answer = {"done": getattr(runner, act)(**request)}
    except Exception as error:
        answer = {"error": repr(error)}
    print("@" + json.dumps(answer), flush=True)

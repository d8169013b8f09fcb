"""Our part of `crdt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rhizomedb
from bench.child import Watch
from bench.crdt import operations, traces
from bench.crdt.digest import digest, folder_bytes
from rhizomedb.db.connection import Connection, connect

TEXT = rhizomedb.entity(text="measured")
BATCH = 1_000


def replay(watch: Watch, name: str, most: int, path: str) -> Any:
    """Edit a document with its text open, a thousand edits a batch, then read it; the text, and the bytes on the disk."""
    some = traces.patches(name)[:most]
    Path(path).mkdir(parents=True)
    with connect(Path(path) / "text.db", author="writer", durability="normal") as db, watch("replay"):
        text = db.text(TEXT)
        for start in range(0, len(some), BATCH):
            with text.batch():
                for position, count, inserted in some[start : start + BATCH]:
                    text.splice(position, count, inserted)
        found = str(text)
    return {"text": digest(found), "bytes": folder_bytes(Path(path))}


def load(watch: Watch, path: str) -> Any:
    """Open a saved document and read it."""
    with watch("load"), connect(Path(path) / "text.db") as db:
        found = str(db.text(TEXT))
    return {"text": digest(found)}


def keys(watch: Watch, path: str, count: int, durability: Any) -> Any:
    """Type single characters anywhere, each told to a watch."""
    with connect(Path(path) / "text.db", author="writer", durability=durability) as db, db.text(TEXT) as text:
        changes = text.watch()
        for place in operations.places(len(text), count):
            with watch("key"):
                text.insert(place, "x")
                next(changes)
        return {"text": digest(str(text))}


class Copy:
    """A copy with its text open."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._text = db.text(TEXT)

    def edit(self, patches: list[traces.Patch]) -> list[bytes]:
        epoch = self._db._store.epoch()
        with self._text.batch():
            for patch in patches:
                self._text.splice(*patch)
        return [envelope for _, envelope in self._db._store.envelopes(epoch)]

    def receive(self, sent: list[bytes]) -> None:
        self._db.admit(sent, origin="peer")

    def text(self) -> str:
        return str(self._text)


def merge(watch: Watch, name: str, most: int | None, path: str) -> Any:
    """Let each writer edit a copy; then take in what all of them said into one more, with the text open, and read it."""
    history = traces.edits(name, most)
    writers = 1 + max(edit.writer for edit in history)
    copies = [Copy(connect(":memory:", author=f"writer {number}")) for number in range(writers)]
    sent = traces.replay(history, list(copies))
    texts = {copy.text() for copy in copies}
    with connect(path, author="reader", durability="normal") as db:
        copy = Copy(db)
        with watch("merge"):
            copy.receive(sent)
            texts.add(copy.text())
    (found,) = texts
    return {"text": digest(found)}


def counter(watch: Watch, writers: int, each: int, path: str) -> Any:
    """Steps of several writers, merged into a file and summed."""
    total = _merged(watch, "counter", operations.steps(writers, each), path)
    return [[plain[1] for plain in total]]


def members(watch: Watch, writers: int, each: int, path: str) -> Any:
    """Adds and removes of several writers, merged into a file and listed."""
    found = _merged(watch, "add-wins-set", operations.members(writers, each), path)
    return sorted(row[1] for row in found)


def entries(watch: Watch, writers: int, each: int, path: str) -> Any:
    """Writes and deletes of several writers, merged into a file and listed."""
    found = _merged(watch, "map", operations.entries(writers, each), path)
    return sorted([row[1], row[2]] for row in found if row[1] != "rhizome/writer")


def _merged(watch: Watch, name: str, said: list[list[tuple[str, Any, int | None]]], path: str) -> list[Any]:
    """Each writer says their own, a fact for each operation, which may name one of their earlier ones; all come together."""
    sent: list[bytes] = []
    for number, operations_of_one in enumerate(said):
        with connect(":memory:", author=f"writer {number}") as db:
            facts = [rhizomedb.Fact(TEXT, "rhizome/writer", number.to_bytes(2, "big"))]
            for attribute, value, seen in operations_of_one:
                causes = [facts[0].cid] if seen is None else [facts[0].cid, facts[1 + seen].cid]
                facts.append(rhizomedb.Fact(TEXT, attribute, value, causes))
            db.transact(facts)
            sent += [envelope for _, envelope in db._store.envelopes()]
    program = rhizomedb.crdt.data_type(name).program
    with connect(path, author="reader", durability="normal") as db, watch("merge"):
        db.admit(sent, origin="peers")
        return list(db.query(program))

"""The part of Yrs, through pycrdt: one document in memory, saved as one update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pycrdt import Doc, Map, Text

from bench.child import Watch
from bench.crdt import operations, traces
from bench.crdt.digest import digest

BATCH = 1_000


def _new(client: int = 0) -> tuple[Any, Any]:
    # By chance one real history ends otherwise: its writers meet at one place once, and the greater client comes last there.
    doc: Any = Doc(client_id=client) if client else Doc()
    return doc, doc.get("text", type=Text)


def _apply(text: Any, patches: list[traces.Patch]) -> None:
    for position, count, inserted in patches:
        if count:
            del text[position : position + count]
        if inserted:
            text.insert(position, inserted)


def replay(watch: Watch, name: str, most: int, path: str) -> Any:
    some = traces.patches(name)[:most]
    doc, text = _new()
    with watch("replay"):
        for start in range(0, len(some), BATCH):
            with doc.transaction():
                _apply(text, some[start : start + BATCH])
        found = str(text)
    saved = doc.get_update()
    Path(path).mkdir(parents=True)
    (Path(path) / "text.yrs").write_bytes(saved)
    return {"text": digest(found), "bytes": len(saved)}


def load(watch: Watch, path: str) -> Any:
    with watch("load"):
        doc, text = _new()
        doc.apply_update((Path(path) / "text.yrs").read_bytes())
        found = str(text)
    return {"text": digest(found)}


def keys(watch: Watch, path: str, count: int, durability: str) -> Any:
    doc, text = _new()
    doc.apply_update((Path(path) / "text.yrs").read_bytes())
    told: list[Any] = []
    held = text.observe(lambda event: told.append(event.delta))
    for place in operations.places(len(str(text)), count):
        with watch("key"):
            text.insert(place, "x")
            told.pop()
    text.unobserve(held)
    return {"text": digest(str(text))}


class Copy:
    def __init__(self, client: int = 0) -> None:
        self._doc, self._text = _new(client)

    def edit(self, patches: list[traces.Patch]) -> list[bytes]:
        state = self._doc.get_state()
        with self._doc.transaction():
            _apply(self._text, patches)
        return [self._doc.get_update(state)]

    def receive(self, sent: list[bytes]) -> None:
        for update in sent:
            self._doc.apply_update(update)

    def text(self) -> str:
        return str(self._text)


def merge(watch: Watch, name: str, most: int | None, path: str) -> Any:
    history = traces.edits(name, most)
    copies = [Copy(1 + number) for number in range(1 + max(edit.writer for edit in history))]
    sent = traces.replay(history, list(copies))
    texts = {copy.text() for copy in copies}
    copy = Copy()
    with watch("merge"):
        copy.receive(sent)
        texts.add(copy.text())
    (found,) = texts
    return {"text": digest(found)}


def members(watch: Watch, writers: int, each: int, path: str) -> Any:
    found = _merged(watch, operations.members(writers, each), {"set/remove"}, lambda attribute, value: value)
    return sorted(found)


def entries(watch: Watch, writers: int, each: int, path: str) -> Any:
    said = operations.entries(writers, each)
    found = _merged(
        watch, said, {"map/delete"}, lambda attribute, value: value if attribute == "map/delete" else attribute
    )
    return sorted([key, int(value)] for key, value in found.items())


def _merged(watch: Watch, said: list[list[operations.Operation]], removes: set[str], key: Any) -> dict[str, Any]:
    sent = []
    for of_one in said:
        doc: Any = Doc()
        held = doc.get("map", type=Map)
        with doc.transaction():
            for attribute, value, _ in of_one:
                if attribute in removes:
                    del held[key(attribute, value)]
                else:
                    held[key(attribute, value)] = True if attribute == "set/add" else value
        sent.append(doc.get_update())
    whole: Any = Doc()
    held = whole.get("map", type=Map)
    with watch("merge"):
        for update in sent:
            whole.apply_update(update)
        found: dict[str, Any] = held.to_py()
    return found

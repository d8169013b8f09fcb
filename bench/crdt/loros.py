"""The part of Loro: one document in memory, saved as one snapshot with its whole history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loro import ExportMode, LoroDoc

from bench.child import Watch
from bench.crdt import operations, traces
from bench.crdt.digest import digest

BATCH = 1_000


def _new() -> tuple[Any, Any]:
    doc = LoroDoc()
    return doc, doc.get_text("text")


def _apply(text: Any, patches: list[traces.Patch]) -> None:
    for position, count, inserted in patches:
        if count:
            text.delete(position, count)
        if inserted:
            text.insert(position, inserted)


def replay(watch: Watch, name: str, most: int, path: str) -> Any:
    some = traces.patches(name)[:most]
    doc, text = _new()
    with watch("replay"):
        for start in range(0, len(some), BATCH):
            _apply(text, some[start : start + BATCH])
            doc.commit()
        found = text.to_string()
    saved = doc.export(ExportMode.Snapshot())
    Path(path).mkdir(parents=True)
    (Path(path) / "text.loro").write_bytes(saved)
    return {"text": digest(found), "bytes": len(saved)}


def load(watch: Watch, path: str) -> Any:
    with watch("load"):
        doc, text = _new()
        doc.import_((Path(path) / "text.loro").read_bytes())
        found = text.to_string()
    return {"text": digest(found)}


def keys(watch: Watch, path: str, count: int, durability: str) -> Any:
    doc, text = _new()
    doc.import_((Path(path) / "text.loro").read_bytes())
    told: list[Any] = []
    held = text.subscribe(told.append)
    for place in operations.places(text.len_unicode, count):
        with watch("key"):
            text.insert(place, "x")
            doc.commit()
            told.pop()
    del held
    return {"text": digest(text.to_string())}


class Copy:
    def __init__(self) -> None:
        self._doc, self._text = _new()

    def edit(self, patches: list[traces.Patch]) -> list[bytes]:
        before = self._doc.oplog_vv
        _apply(self._text, patches)
        self._doc.commit()
        return [self._doc.export(ExportMode.Updates(before))]

    def receive(self, sent: list[bytes]) -> None:
        self._doc.import_batch(sent)

    def text(self) -> str:
        return str(self._text.to_string())


def merge(watch: Watch, name: str, most: int | None, path: str) -> Any:
    history = traces.edits(name, most)
    copies = [Copy() for _ in range(1 + max(edit.writer for edit in history))]
    sent = traces.replay(history, list(copies))
    texts = {copy.text() for copy in copies}
    copy = Copy()
    with watch("merge"):
        copy.receive(sent)
        texts.add(copy.text())
    (found,) = texts
    return {"text": digest(found)}


def counter(watch: Watch, writers: int, each: int, path: str) -> Any:
    sent = []
    for of_one in operations.steps(writers, each):
        doc = LoroDoc()
        counter = doc.get_counter("counter")
        for _, step, _ in of_one:
            counter.increment(step)
        doc.commit()
        sent.append(doc.export(ExportMode.Snapshot()))
    whole = LoroDoc()
    with watch("merge"):
        whole.import_batch(sent)
        total = whole.get_counter("counter").value
    return [[int(total)]]


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
        doc = LoroDoc()
        held = doc.get_map("map")
        for attribute, value, _ in of_one:
            if attribute in removes:
                held.delete(key(attribute, value))
            else:
                held.insert(key(attribute, value), True if attribute == "set/add" else value)
        doc.commit()
        sent.append(doc.export(ExportMode.Snapshot()))
    whole = LoroDoc()
    with watch("merge"):
        whole.import_batch(sent)
        found: dict[str, Any] = whole.get_map("map").get_value()
    return found

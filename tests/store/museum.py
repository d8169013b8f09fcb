"""What stands in `tests/data/museum`: how its files were made, and how all that such a file says is written down.

`python tests/store/museum.py tests/data/museum` adds a file of the format that the code writes. Only what every version
of the store offers is used here, so the same script could make the files of older formats.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from store_helpers import ATTRIBUTES, KEYS, NOW, VALUES, delta

import rhizomedb
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Cell, plain
from rhizomedb.store import ALL, COLUMNS, Cut, Store, layout
from rhizomedb.store.sqlite import SqliteStore

CUTS: Final = (ALL, Cut(epoch=3), Cut(since=NOW, until=NOW + 5), Cut(epoch=5, authors=frozenset([KEYS[1].public])))
"""The moments that are written down."""

POLICIES: Final = ("latest", "all")


def fill(store: Store) -> None:
    """Say something of everything: each kind of value, long ones, causes, repeats, groups, scopes, several authors."""
    every = [Fact(b"every", name, value) for name in ATTRIBUTES for value in VALUES]
    _write(store, "import", *(delta(*every[at : at + 29], ms=NOW + at % 7) for at in range(0, len(every), 29)))
    first = [Fact(b"film %d" % number, "runtime", number, [Cid.of(b"unknown")]) for number in range(9)]
    titles = [Fact(b"film %d" % number, "name", f"Film {number}") for number in range(9)]
    _write(store, "import", delta(*titles, key=KEYS[1], scope="own"), *(delta(each, key=KEYS[1]) for each in first))
    later = [Fact(b"film %d" % number, "runtime", 100 + number, [first[number].cid]) for number in range(5)]
    _write(store, "peer", delta(*later, ms=NOW + 3, counter=7, edge=b"phone"), delta(*first[3:7], key=KEYS[2]))
    entities = [b"", b"\xff" * 16, b"e" * 63, b"e" * 64, b"e" * 200]
    again = [Fact(each, "name", "t" * 300) for each in entities] + later[:2]
    group = [delta(Fact(b"pair", "part", part), key=KEYS[2], group=Group(b"g", 2), ms=NOW + 4) for part in (1, 2)]
    _write(store, "peer", delta(*again, key=KEYS[2], scope="own", edge=b"e" * 90), *group)
    assert store.rebuild_index() == []
    taken_back = delta(Fact(b"film 0", "name", "Heat", [titles[0].cid]), ms=NOW + 9)
    _write(store, "transaction", taken_back)
    _write(store, "nothing new", taken_back)
    with store.writing():
        alone = delta(Fact(b"pair", "part", 3), key=KEYS[1], group=Group(b"h", 2))
        store.hold(alone, NOW, "peer", None, "1 of 2 deltas of its group is missing")
        store.hold(delta(Fact(b"film 9", "runtime", 9), ms=1 << 45), NOW + 1, "peer", 1 << 45, "its clock is ahead")
        for key, name in zip(KEYS, ("ada", "bob ✓", "c" * 100), strict=True):
            store.name(key.public, name)


def _write(store: Store, origin: str, *deltas: Delta) -> None:
    with store.writing():
        epoch = store.begin(NOW + store.epoch(), origin)
        store.append(deltas, epoch)


# -- what is written down ------------------------------------------------------------------------------------------------


def deltas_of(store: Store) -> list[str]:
    """Every delta as a line, in the order of the log."""
    return [Delta.decode(envelope).to_json() for _, envelope in store.envelopes()]


def content_of(store: Store) -> Iterator[str]:
    """All that a store shows, as lines of JSON."""
    for epoch in store.epochs():
        yield _line("epoch", epoch.number, epoch.at_ms, epoch.origin)
    for author, name in store.names().items():
        yield _line("name", author.hex(), name)
    for held in sorted(store.held(), key=lambda held: held.id):
        group = held.group and [held.group.id.hex(), held.group.size]
        about = [held.author.hex(), held.arrived_ms, held.origin, held.due_ms, held.reason, group]
        envelope = store.envelope(held.id)
        assert envelope is not None, "what is held is here"
        yield _line("held", str(held.id), *about, envelope.hex())
    time = store.last_time()
    yield _line("last time", time.ms, time.counter)
    for number, cut in enumerate(CUTS):
        yield _line("cut", number, "counts", store.counts(cut))
        for relation in COLUMNS:
            for row in sorted(json.dumps([_cell(cell) for cell in row]) for row in store.scan(relation, {}, cut)):
                yield _line("cut", number, relation, json.loads(row))
        for summary in sorted(store.attributes(cut), key=lambda each: repr(_cell(each.attribute))):
            shown = [summary.facts, summary.entities, summary.kinds]
            yield _line("cut", number, "attribute", _cell(summary.attribute), *shown)
        yield _line("cut", number, "entities", [entity.hex() for entity in store.entities(cut)])


def views_of(path: str) -> Iterator[str]:
    """What the views show of every entity, as lines of JSON."""
    with rhizomedb.open(path, author="museum") as db:
        for moment in (db, db.at_epoch(3), db.by("ada")):
            for policy in POLICIES:
                for record in sorted(moment.records(policy=policy), key=lambda record: record.entity):
                    values = {str(name): _values(moment.get(record.entity, name, policy=policy)) for name in record}
                    yield _line("record", policy, record.entity.hex(), record.label, values)
            for conflict in moment.conflicts():
                said = conflict.as_dict()
                yield _line("conflict", said["id"], _cell(said["attribute"]), conflict.reason, len(conflict.values))


def _values(shown: Any) -> Any:
    return [_cell(value) for value in shown] if isinstance(shown, list) else _cell(shown)


def _cell(cell: Cell) -> list[Any]:
    """A value with its kind: JSON tells neither 1 from 1.0 nor bytes from text."""
    value = plain(cell)
    match value:
        case bytes():
            return ["bytes", value.hex()]
        case float():
            return ["float", value.hex()]
        case Cid():
            return ["cid", str(value)]
        case _:
            return [type(value).__name__, value]


def _line(*parts: Any) -> str:
    return json.dumps(parts, ensure_ascii=False, sort_keys=True)


def make(folder: Path) -> None:
    """Add a file of the format of this code; it says what the others say."""
    path = folder / f"format-{layout.FORMAT}.db"
    assert not path.exists(), f"{path} is there: what is in the museum stays as it is"
    store = SqliteStore(str(path), create=True)
    fill(store)
    assert list(store.verify()) == []
    said = {"deltas": deltas_of(store), "content": list(content_of(store))}
    store.close()
    said["views"] = list(views_of(str(path)))
    for name, lines in said.items():
        there = folder / f"{name}.jsonl"
        text = "".join(f"{line}\n" for line in lines)
        if there.exists():
            assert there.read_text(encoding="utf-8") == text, f"it does not say what {there} says"
        else:
            there.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))

"""Laws of importing tables: the short way and the long way say the same facts, and nothing stays of half an import."""

from __future__ import annotations

import csv
import io
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db import connection as connection_module
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.identity import entity
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.transaction import DELTA_BYTES_MAX, DELTA_FACTS_MAX, Columns
from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.exchange import columns as columns_module
from rhizomedb.exchange import csv_reader
from rhizomedb.exchange.importer import ImportReport, import_table
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import Options
from rhizomedb.facts.fact import Fact


def imported(db: Connection, rows: list[dict[str, Any]], author: str, plainly: bool, format: str) -> ImportReport:
    text = io.StringIO()
    if format == "csv":
        writer = csv.DictWriter(text, ["id", "a", "b"])
        writer.writeheader()
        writer.writerows(rows)
        data = text.getvalue()
    else:
        import json

        data = "".join(json.dumps({k: v for k, v in row.items() if v != ""}) + "\n" for row in rows)
    table = read_table("-", Options(format=format, key=("id",)), stdin=io.BytesIO(data.encode()))
    return import_table(db, table, author=author, key=("id",), plainly=plainly)


def said(db: Connection) -> Counter[tuple[Any, ...]]:
    """What was said by whom in which epoch; what is taken back, by the author who had said it and the fact.

    Facts may stand in other deltas, so a delta that is named stands for its author.
    """
    authors = {delta.id: delta.author for delta in db.deltas()}
    epochs = {delta: epoch for delta, epoch, *_ in db._store.scan("arrival", {}, db.cut)}

    def named(fact: Fact) -> Any:
        return (fact.entity, authors[fact.value], fact.causes) if fact.attribute == RETRACTS else fact.cid  # type: ignore[index]  # it names a delta

    return Counter((delta.author, epochs[delta.id], named(fact)) for delta in db.deltas() for fact in delta.facts)


AUTHORS = st.sampled_from(["ann", "imdb", "wiki"])
CELLS = st.sampled_from(["", "", "x", "y", 1, 2.5])
ROWS = st.lists(st.fixed_dictionaries({"id": st.integers(1, 4), "a": CELLS, "b": CELLS}), min_size=1, max_size=7)
ENTITIES = st.integers(1, 4).map(lambda number: entity(id=number))
ATTRIBUTES = st.sampled_from(["a", "b"])
STEPS = st.one_of(
    st.tuples(st.just("import"), AUTHORS, ROWS, st.sampled_from(["csv", "csv", "jsonl"])),
    st.tuples(st.just("again"), AUTHORS),
    st.tuples(st.just("person"), AUTHORS, ENTITIES, ATTRIBUTES, st.sampled_from(["x", "y", 1, 2.5])),
    st.tuples(st.just("source"), AUTHORS, ENTITIES, ATTRIBUTES, st.sampled_from(["x", "y", 1, 2.5])),
    st.tuples(st.just("retract"), AUTHORS, ENTITIES, ATTRIBUTES | st.none(), st.sampled_from(["seen", "own"])),
)


def step(db: Connection, plainly: bool, last: dict[str, Any], action: str, author: str, *what: Any) -> Any:
    match action:
        case "import":
            last[author] = what
            return imported(db, what[0], author, plainly, what[1]).transaction.facts
        case "again" if author in last:
            return imported(db, last[author][0], author, plainly, last[author][1]).transaction.facts
        case "person" | "source":
            return db.transact([what], author=author, scope="seen" if action == "person" else "own").facts
        case "retract":
            try:
                return db.retract(what[0], what[1], author=author, scope=what[2]).facts
            except RequestError as error:
                return error.code
    return None


def row(id: int, a: object = "", b: object = "") -> dict[str, object]:
    return {"id": id, "a": a, "b": b}


ONE = entity(id=1)


@given(st.lists(STEPS, min_size=1, max_size=7), st.sampled_from([1, 2, 1000]))
@example([("import", "ann", [row(1, "x")], "csv"), ("retract", "ann", ONE, "a", "own"), ("again", "ann")], 1000)
@example(
    [
        ("import", "ann", [row(1, "x")], "csv"),
        ("import", "ann", [row(1, "y")], "csv"),
        ("import", "ann", [row(1, "x"), row(2, "x")], "csv"),
        ("again", "ann"),
    ],
    1000,
)
@example([("import", "ann", [row(1, "x"), row(1, "y"), row(2), row(1, "x")], "csv"), ("again", "ann")], 1)
@example([("import", "imdb", [row(1, "x")], "csv"), ("person", "ann", ONE, "a", "y"), ("again", "imdb")], 1000)
@settings(max_examples=150)
def test_the_short_way_says_the_facts_of_the_long_way(steps: list[tuple[Any, ...]], at_once: int) -> None:
    keyring = Keyring()
    with (
        pytest.MonkeyPatch.context() as patch,
        connect(":memory:", keyring=keyring) as short,
        connect(":memory:", keyring=keyring) as long,
    ):
        patch.setattr(csv_reader, "CHUNK_ROWS", at_once)
        patch.setattr(columns_module, "BATCH_ROWS", at_once)
        patch.setattr(columns_module, "LATE_CELLS_MAX", 4 * at_once)
        patch.setattr(connection_module, "ENTITIES_AT_ONCE", at_once)
        lasts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for one in steps:
            assert step(short, False, lasts[0], *one) == step(long, True, lasts[1], *one)
            assert said(short) == said(long)


TWICE = [
    ("other values", [row(1, "x"), row(1, "y")], 3),
    ("the same value", [row(1, "x"), row(1, "x")], 2),
    ("far apart", [row(1, "x"), *(row(n, "z") for n in range(2, 50)), row(1, "y"), row(1, "x")], 3 + 2 * 48),
]


@pytest.mark.parametrize(("rows", "facts"), [case[1:] for case in TWICE], ids=[case[0] for case in TWICE])
@pytest.mark.parametrize("rows_at_once", [1, 2048])
def test_rows_with_one_key_say_all_their_values_once(
    db: Connection, rows: list[dict[str, Any]], facts: int, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "CHUNK_ROWS", rows_at_once)
    report = imported(db, rows, "imdb", False, "csv")
    assert (report.transaction.facts, db.stats().facts) == (facts, facts)
    assert not imported(db, rows, "imdb", False, "csv").transaction


@pytest.mark.parametrize("plainly", [False, True])
def test_a_fact_that_is_there_twice_is_said_once(db: Connection, plainly: bool) -> None:
    said_twice = Columns([ONE] * 1_800, ["a"] * 1_800, [n % 900 for n in range(1_800)])
    assert db.write_source([said_twice], author="imdb", origin="test", plainly=plainly).facts == db.stats().facts == 900


def test_what_is_said_fits_into_deltas(db: Connection) -> None:
    rows = [row(n, "long " * 40_000 if n % 3 == 0 else "short", n) for n in range(60)]
    rows += [row(n, "short", n) for n in range(60, 1_500)]
    imported(db, rows, "imdb", False, "csv")
    deltas = list(db.deltas())
    assert sum(len(delta.facts) for delta in deltas) == 3 * len(rows) == db.stats().facts
    assert all(len(delta.facts) <= DELTA_FACTS_MAX and len(delta.facts.encode()) <= DELTA_BYTES_MAX for delta in deltas)


def test_no_more_is_read_at_once_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.csv"
    path.write_text("id,a\n" + "".join(f"{n},{'x' * 1000}\n" for n in range(100)))
    monkeypatch.setattr(csv_reader, "CHUNK_CHARACTERS", 5_000)
    chunks = read_table(path).chunks()
    assert chunks is not None
    sizes = [len(chunk.lines) for chunk in chunks]
    assert sum(sizes) == 100 and max(sizes) <= 6


REFUSED = [
    ("reserved", Columns([ONE], ["rhizome/retracts"], ["x"]), RequestError),
    ("too long", Columns([ONE], ["a"], ["x" * 300_000]), ValueRefused),
    ("too large", Columns([ONE, ONE], ["a", "b"], [1, 2**63]), ValueRefused),
    ("no entity", Columns(["one"], ["a"], [1]), RequestError),  # type: ignore[list-item]  # what is refused
]


@pytest.mark.parametrize(("columns", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_said_is_refused_in_the_same_words(
    db: Connection, columns: Columns, error: type[Exception]
) -> None:
    messages = []
    for plainly in (False, True):
        with pytest.raises(error) as refusal:
            db.write_source([columns], author="imdb", origin="test", plainly=plainly)
        messages.append(str(refusal.value))
    assert messages[0] == messages[1] and db.stats().epoch == 0


@pytest.mark.parametrize("spoke_before", [False, True])
@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_import_leaves_all_as_it_was(
    db: Connection, another: Any, spoke_before: bool, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "CHUNK_ROWS", 100)
    uninterrupted = another()
    uninterrupted._keyring = db._keyring
    if spoke_before:
        for copy in (db, uninterrupted):
            imported(copy, [row(n, "x") for n in range(300)], "imdb", False, "csv")
    rows = [row(n, "x" if n % 40 else "y", n) for n in range(500)]
    before, calls = (db.stats(), said(db)), 0

    def progress(_done: int, _total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        data = "id,a,b\n" + "".join(f"{r['id']},{r['a']},{r['b']}\n" for r in rows)
        table = read_table("-", Options(format="csv", key=("id",)), stdin=io.BytesIO(data.encode()))
        import_table(db, table, author="imdb", key=("id",), progress=progress)
    assert calls == at and (db.stats(), said(db)) == before
    assert all(thread.name != "rhizome-ahead" for thread in threading.enumerate())
    for copy in (db, uninterrupted):
        imported(copy, rows, "imdb", False, "csv")
    assert said(db) == said(uninterrupted)

"""Imports with less memory: they say the same in smaller pieces, or are refused with what would be enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rhizomedb.cli import main
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import BudgetExceeded
from rhizomedb.exchange import columns, table
from rhizomedb.exchange.importer import import_deltas, import_table
from rhizomedb.exchange.output import write_lines
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import Options
from rhizomedb.store import indexed, room

ROWS = 4_000
SMALL = 96 << 20


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    path.write_text("id,title,year\n" + "".join(f"tt{n},The Moon {n % 70},{1900 + n % 99}\n" for n in range(ROWS)))
    return path


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int | None, Connection]]:
    """Databases by the memory that they may take; a segment is of 8,000 facts where there is no limit."""
    monkeypatch.setattr(indexed, "GATHER_FACTS", 8_000)
    keys = Keyring(tmp_path / "keys")
    limits: tuple[int | None, ...] = (None, SMALL)
    found = {limit: connect(tmp_path / f"{limit}.db", keyring=keys, memory_bytes_max=limit) for limit in limits}
    yield found
    for db in found.values():
        db.close()


def take_in(db: Connection, path: Path) -> int:
    read = read_table(path, Options(key=("id",), memory_bytes=db.memory_bytes_max))
    return import_table(db, read, author="imdb", key=("id",)).transaction.facts


def test_less_memory_is_smaller_pieces_and_the_same_facts(
    films: Path, opened: dict[int | None, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    build = indexed.built
    monkeypatch.setattr(indexed, "built", lambda tiers, said: built.append(len(said)) or build(tiers, said))
    pieces, facts = [], []
    for db in opened.values():
        built.clear()
        assert take_in(db, films) == 3 * ROWS
        pieces.append(len(built))
        facts.append(set(db.query("answer(e: E, a: A, v: V) :- fact(entity: E, attribute: A, value: V).")))
        assert list(db.verify()) == []
        assert take_in(db, films) == 0
    assert pieces[0] <= 2 and pieces[1] >= 6 and facts[0] == facts[1]


def test_deltas_with_less_memory(films: Path, tmp_path: Path, opened: dict[int | None, Connection]) -> None:
    take_in(opened[None], films)
    write_lines((delta.to_json() for delta in opened[None].deltas()), str(tmp_path / "films.jsonl"))
    admission = import_deltas(opened[SMALL], Source(tmp_path / "films.jsonl"), origin="test")
    assert admission.new == opened[None].stats().deltas and list(opened[SMALL].verify()) == []


@pytest.mark.parametrize("kind", ["table", "deltas"])
def test_what_takes_more_all_the_same_is_refused(
    films: Path, tmp_path: Path, opened: dict[int | None, Connection], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    db = opened[SMALL]
    take_in(opened[None], films)
    write_lines((delta.to_json() for delta in opened[None].deltas()), str(tmp_path / "films.jsonl"))
    held = iter([40 << 20, 80 << 20, *[700 << 20] * 1000])
    monkeypatch.setattr(room, "held_bytes", lambda: next(held))
    with pytest.raises(BudgetExceeded) as caught:
        if kind == "table":
            take_in(db, films)
        else:
            monkeypatch.setattr("rhizomedb.exchange.archive.LOOK_ENVELOPES", 1)
            import_deltas(db, Source(tmp_path / "films.jsonl"), origin="test")
    assert caught.value.code == "budget.memory"
    assert caught.value.message == "the write holds 700 MiB of memory, and may hold 96 MiB; nothing of it was kept"
    assert (caught.value.fix or "").startswith("--memory 1400M ")
    assert db.stats().epoch == 0 and list(db.verify()) == []


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, 1.0),
        (1 << 40, 1.0),
        (room.USUAL_BYTES, 1.0),
        (400 << 20, 244 / 456),
        (SMALL, 16 / 456),
        (SMALL - 1, None),
    ],
)
def test_a_share_of_the_usual_room(limit: int | None, expected: float | None) -> None:
    if expected is not None:
        assert room.share(limit) == pytest.approx(expected)
        return
    with pytest.raises(BudgetExceeded, match=r"a write needs 96 MiB of memory, and may have 96 MiB") as caught:
        room.share(limit)
    assert caught.value.code == "budget.memory" and (caught.value.fix or "").startswith("--memory 96M ")


def test_rows_of_one_key_that_are_not_told_in_so_little_memory(
    films: Path, opened: dict[int | None, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "KEYS_TRACKED_MAX", 100)
    monkeypatch.setattr(columns, "HEAD_ROOM_BYTES", 24_576)
    with pytest.raises(BudgetExceeded) as caught:
        take_in(opened[SMALL], films)
    assert caught.value.message.startswith("to tell which of 4,000 rows repeat a key takes 150 MiB of memory")
    assert (caught.value.fix or "").startswith("--memory 150M ")
    assert take_in(opened[None], films) == 3 * ROWS


@pytest.mark.parametrize("tracked", [2, 2_000])
def test_keys_that_repeat_after_many_others_are_taken_together(
    tmp_path: Path, opened: dict[int | None, Connection], monkeypatch: pytest.MonkeyPatch, tracked: int
) -> None:
    """Not every key is looked at when a table is read first; each register must stand in one batch all the same."""
    monkeypatch.setattr(table, "KEYS_TRACKED_MAX", tracked)
    monkeypatch.setattr("rhizomedb.exchange.csv_reader.CHUNK_ROWS", 10)
    monkeypatch.setattr("rhizomedb.db.connection.ENTITIES_AT_ONCE", 5)
    path = tmp_path / "again.csv"
    path.write_text("id,a\n" + "".join(f"{n % 40},{n}\n" for n in range(80)))
    for db in opened.values():
        assert take_in(db, path) == 120
        assert take_in(db, path) == 0, "it was said so before"


@pytest.mark.parametrize(
    ("words", "exit", "starts"),
    [
        ("--memory 96M", 0, ""),
        ("--memory none", 0, ""),
        ("--memory 10M", 1, "budget.memory: a write needs 96 MiB of memory, and may have 10 MiB\n  try: --memory 96M"),
        ("--memory lots", 2, "db.usage: 'lots' is not a number of bytes"),
    ],
)
def test_the_option(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: str, exit: int, starts: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RHIZOME_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RHIZOME_MEMORY_BYTES_MAX", "1K")  # what is typed comes first
    assert main(["import", "new.db", str(films), "--key", "id", *words.split()]) == exit
    assert capsys.readouterr().err.startswith(starts)
    assert Path("new.db").exists() == (exit == 0)
    if exit:
        return
    assert main(["import", "other.db", str(films), "--key", "id"]) == 1
    assert capsys.readouterr().err.startswith("budget.memory: a write needs 96 MiB")

"""Files that unpack to gigabytes of nothing are refused after some megabytes of it, not read to their end."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from rhizomedb.errors import ExchangeError
from rhizomedb.exchange import csv_reader, json_reader, json_text, source
from rhizomedb.exchange.importer import envelopes
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import Options

MAX = 3000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (source, csv_reader, json_text):
        monkeypatch.setattr(module, "SILENCE_CHARACTERS_MAX", MAX)
    monkeypatch.setattr(json_reader, "SILENT_ROWS_MAX", MAX // 3)


CASES = {
    "blank lines": ("jsonl", b'{"a": 1}\n', b"\n", b'{"a": 2}\n'),
    "blank lines of a table": ("csv", b"a,b\n1,2\n", b"\n", b"3,4\n"),
    "rows without a cell": ("csv", b"a,b\n1,2\n", b",\n", b"3,4\n"),
    "blanks": ("json", b'[{"a": 1},', b" ", b'{"a": 2}]'),
    "objects without a name": ("jsonl", b'{"a": 1}\n', b"{}\n", b'{"a": 2}\n'),
    "elements without a name": ("json", b'[{"a": 1},', b"{},", b'{"a": 2}]'),
}


@pytest.mark.parametrize("case", CASES)
def test_silence(case: str, tmp_path: Path) -> None:
    """What is refused, and that a row in between, or a bad one that is skipped, breaks the silence."""
    format, before, nothing, after = CASES[case]
    path = tmp_path / "t.gz"

    def rows(silence: bytes, *more: bytes) -> int:
        path.write_bytes(gzip.compress(before + silence + b"".join(more) + after))
        return read_table(Source(path), Options(format=format, skip_bad=True)).rows_count

    # The cursor looks each time that it reads on, which is here the whole file: none is read on where it ends.
    some = nothing * (MAX // len(nothing) - 9)
    assert rows(some) == 2
    if case != "blanks":
        first = before.partition(b"\n")[2] if format == "csv" else before.removeprefix(b"[")
        assert rows(some, first, some) == 3
    long = nothing * ((MAX if case != "blanks" else 1 << 20) // len(nothing) + 9)
    with pytest.raises(ExchangeError, match="say nothing") as refused:
        rows(long)
    assert refused.value.code == "exchange.format"


def test_bad_rows_are_something(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\n" + (b"1,2,3\n" * 99 + b",\n") * 99)
    table = read_table(Source(path), Options(format="csv", skip_bad=True))
    assert (table.rows_count, table.bad_count) == (1 + 99 * 99, 99 * 99)


@pytest.mark.parametrize(
    ("format", "head", "bad", "good"),
    [
        ("csv", b"a,b\n", b",1\n", b"x,1\n"),  # the key is empty
        ("csv", b"a,b\n", b"1,2,3\n", b"x,1\n"),  # too wide
        ("jsonl", b"", b"[]\n", b'{"a": "x", "b": 1}\n'),
    ],
)
def test_bad_rows_are_many_and_memory_is_not(
    format: str, head: bytes, bad: bytes, good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small compressed file may hold any number of bad rows: what is kept of them does not grow with it."""
    monkeypatch.setattr("rhizomedb.exchange.table.BAD_ROWS_KEPT", 10)
    path = tmp_path / "t.gz"
    options = Options(format=format, key=("a",), skip_bad=True)
    peaks = []
    for many in (20_000, 100_000):
        path.write_bytes(gzip.compress(head + good + bad * many + good))
        tracemalloc.start()
        table = read_table(Source(path), options)
        rows = sum(1 for _ in table)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (table.rows_count, table.bad_count, rows, len(table.bad_rows)) == (many + 2, many, 2, 10)
    assert peaks[1] < peaks[0] + (1 << 20), "80,000 line numbers in a set take 4 MB"


def test_silence_among_deltas(tmp_path: Path) -> None:
    path = tmp_path / "deltas.jsonl"
    path.write_bytes(b"\n" * (MAX + 9))
    with pytest.raises(ExchangeError, match="say nothing"):
        list(envelopes(Source(path), format="jsonl"))

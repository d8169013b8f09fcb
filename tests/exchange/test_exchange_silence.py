"""Files that unpack to gigabytes of nothing are refused after some megabytes of it, not read to their end."""

from __future__ import annotations

import gzip
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


def test_silence_among_deltas(tmp_path: Path) -> None:
    path = tmp_path / "deltas.jsonl"
    path.write_bytes(b"\n" * (MAX + 9))
    with pytest.raises(ExchangeError, match="say nothing"):
        list(envelopes(Source(path), format="jsonl"))

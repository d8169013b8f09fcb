"""Writing rows: what each format holds, that a file appears whole or not at all, that reading gives the rows back."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.output import to_cell, to_json, to_line, write_rows
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import Options
from rhizomedb.facts.cid import Cid

CID = Cid.of(b"x")

CELLS: list[tuple[object, str]] = [
    (None, ""),
    (True, "true"),
    (1, "1"),
    (1.0, "1.0"),
    (1e22, "1e+22"),
    ("=1+1", "=1+1"),  # exactly as it is: see the module
    (b"\x00\xff", "00ff"),
    (CID, str(CID)),
    (["a", 1, b"\xff"], '["a", 1, {"/": {"bytes": "/w"}}]'),
]


@pytest.mark.parametrize(("value", "cell"), CELLS)
def test_cells(value: object, cell: str) -> None:
    assert to_cell(value) == cell


def test_json_forms() -> None:
    value = {"b": b"\x00\xff", "c": CID, "l": (1, 2.0, "é"), "n": None, "t": True}
    assert to_json(value) == {
        "b": {"/": {"bytes": "AP8"}},
        "c": {"/": str(CID)},
        "l": [1, 2.0, "é"],
        "n": None,
        "t": True,
    }
    assert to_line({"é": "\n"}) == '{"é": "\\n"}'


ROWS: list[dict[str, Any]] = [{"title": 'A, "b"\nc', "year": 1979}, {"title": "D\re", "score": 1.0}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'title,year,score\n"A, ""b""\nc",1979,\n"D\re",,1.0\n'),
        ("t.tsv", 'title\tyear\tscore\n"A, ""b""\nc"\t1979\t\n"D\re"\t\t1.0\n'),
        ("t.json", '[\n  {"title": "A, \\"b\\"\\nc", "year": 1979},\n  {"title": "D\\re", "score": 1.0}\n]\n'),
        ("t.ndjson", '{"title": "A, \\"b\\"\\nc", "year": 1979}\n{"title": "D\\re", "score": 1.0}\n'),
    ],
)
def test_layouts(tmp_path: Path, name: str, text: str) -> None:
    assert write_rows(iter(ROWS), tmp_path / name) == 2
    assert (tmp_path / name).read_bytes().decode() == text
    assert write_rows(ROWS, tmp_path / f"{name}.gz") == 2
    assert gzip.decompress((tmp_path / f"{name}.gz").read_bytes()).decode() == text
    out = io.StringIO()
    write_rows(ROWS, "-", format=name[2:].replace("ndjson", "jsonl"), stdout=out)
    assert out.getvalue() == text


def test_columns_chosen_and_no_rows(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "t.csv", columns=["year", "title"])
    assert (tmp_path / "t.csv").read_text().startswith("year,title\n1979,")
    write_rows(ROWS, tmp_path / "t.jsonl", columns=["year"])
    assert (tmp_path / "t.jsonl").read_text() == '{"year": 1979}\n{}\n'
    assert write_rows([], tmp_path / "t.json") == 0
    assert json.loads((tmp_path / "t.json").read_text()) == []


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "t.jsonl"
    target.write_text("before\n")
    target.chmod(0o640)

    def failing() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise KeyError("stop")

    with pytest.raises(KeyError):
        write_rows(failing(), target)
    assert target.read_text() == "before\n"
    link = tmp_path / "link.jsonl"
    link.symlink_to(target)
    write_rows([{"a": 1}], link)
    assert target.read_text() == '{"a": 1}\n'
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    write_rows([], tmp_path / "new.csv")
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "new.csv").stat().st_mode == plain.stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.jsonl", "new.csv", "plain", "t.jsonl"]


def test_devices_are_written_to(tmp_path: Path) -> None:
    assert write_rows(ROWS, "/dev/null", format="csv") == 2
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize(
    ("path", "format", "code"),
    [
        ("t.xlsx", None, "exchange.format"),
        ("t", None, "exchange.format"),
        ("t.csv", "jsn", "exchange.format"),
        ("none/t.csv", None, "exchange.unwritable"),
        ("t\0.csv", None, "exchange.unwritable"),
        (".", "csv", "exchange.unwritable"),
    ],
)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, format: str | None, code: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExchangeError) as refused:
        write_rows(ROWS, path, format=format)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    program = (
        "from rhizomedb.exchange.output import write_rows\n"
        "write_rows(({'n': n, 'x': 'x' * 100} for n in range(100_000)), format='csv', columns=['n', 'x'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"n,x\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


# Laws. A text table has no NUL and cannot say an empty or blank text; JSON can say everything.

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
ints = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda f: f + 0.0)
COLUMNS = {"t": texts, "i": ints, "f": floats, "b": st.booleans(), "y": st.binary(min_size=1), "c": st.just(CID)}
DECLARED = {"t": "text", "i": "int", "f": "float", "b": "bool", "y": "bytes", "c": "cid"}
csv_rows = st.lists(st.fixed_dictionaries({}, optional=COLUMNS).filter(bool), max_size=8)

scalars = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), *list(COLUMNS.values())[1:])
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
json_rows = st.lists(
    st.dictionaries(names, st.one_of(scalars, st.lists(scalars, min_size=1, max_size=3)), min_size=1, max_size=5),
    max_size=8,
)


def exact(rows: list[dict[str, Any]]) -> str:
    return repr([sorted(row.items()) for row in rows])


@given(csv_rows, st.sampled_from(["csv", "tsv", "csv.gz"]))
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"round.{suffix}"
    write_rows(rows, path, columns=list(COLUMNS))
    back = [row.values for row in read_table(path, Options(types=DECLARED))]
    assert exact(back) == exact(rows)


@given(csv_rows)
def test_csv_round_trip_by_known_kinds(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "known.csv"
    write_rows(rows, path, columns=list(COLUMNS))
    table = read_table(path, Options(known=DECLARED))
    assert exact([row.values for row in table]) == exact(rows)
    assert not [n for n in table.notices if n.code == "kinds-differ"]


@given(json_rows, st.sampled_from(["json", "jsonl", "json.gz"]))
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"round.{suffix}"
    write_rows(rows, path)
    back = [row.values for row in read_table(path, Options(format=suffix.removesuffix(".gz")))]
    assert exact(back) == exact(rows)


@given(csv_rows)
def test_other_readers_agree(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "other.csv"
    write_rows(rows, path, columns=list(COLUMNS))
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["t"] for row in found] == [row.get("t", "") for row in rows]

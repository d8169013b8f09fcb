"""JSON and JSON lines: kinds as the file has them, whatever the layout, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.json_text import depth
from rhizomedb.exchange.reader import guess_format, read_table
from rhizomedb.exchange.table import Options, RowsRefused, Table
from rhizomedb.facts.cid import Cid


def table_of(folder: Path, data: str | bytes, name: str = "t.json", **options: Any) -> Table:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_table(path, Options(**options))


def said(table: Table) -> list[dict[str, Any]]:
    return [row.values for row in table]


CID = str(Cid.of(b"x"))

READ = [
    ("array", '[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    ("empty array", " [ ] ", []),
    ("envelope", '{"count": 1, "films": [{"a": 1}], "by": {"n": [1]}}', [{"a": 1}]),
    ("envelope with other arrays", '{"tags": ["x"], "films": [{"a": 1}], "more": []}', [{"a": 1}]),
    ("lines", '{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    ("one object", '{"a": 1}', [{"a": 1}]),
    ("byte order mark", b'\xef\xbb\xbf[{"a": 1}]', [{"a": 1}]),
    ("null says nothing", '[{"a": null, "b": 1}]', [{"b": 1}]),
    ("an empty object says nothing", '[{}, {"a": 1}]', [{"a": 1}]),
    ("an empty text is a text", '[{"a": ""}]', [{"a": ""}]),
    ("several values", '[{"a": [1, "x", null, true]}]', [{"a": [1, "x", True]}]),
    ("no values", '[{"a": [], "b": 1}]', [{"b": 1}]),
    (
        "bytes and CIDs",
        f'[{{"a": {{"/": {{"bytes": "AP8"}}}}, "b": {{"/": "{CID}"}}}}]',
        [{"a": b"\0\xff", "b": Cid.of(b"x")}],
    ),
    ("escapes", '[{"a": "\\u00e9\\ud83d\\ude00\\u0000"}]', [{"a": "é😀\0"}]),
]


@pytest.mark.parametrize(("data", "rows"), [c[1:] for c in READ], ids=[c[0] for c in READ])
def test_read(tmp_path: Path, data: str | bytes, rows: list[dict[str, Any]]) -> None:
    table = table_of(tmp_path, data)
    assert said(table) == rows == said(table)


def test_kinds_stay(tmp_path: Path) -> None:
    [row] = said(
        table_of(tmp_path, '[{"i": 1, "f": 1.0, "e": 1e2, "z": -0.0, "b": true, "t": "1", "n": 9223372036854775807}]')
    )
    assert {name: (type(v), repr(v)) for name, v in row.items()} == {
        "i": (int, "1"),
        "f": (float, "1.0"),
        "e": (float, "100.0"),
        "z": (float, "0.0"),
        "b": (bool, "True"),
        "t": (str, "'1'"),
        "n": (int, "9223372036854775807"),
    }


BAD = [
    ("not an object", "[1, [], {}]", [(1, "exchange.row-json"), (1, "exchange.row-json")]),
    ("nested object", '[{"a": {"b": 1}}]', [(1, "exchange.row-json")]),
    ("nested array", '[{"a": [[1]]}]', [(1, "exchange.row-json")]),
    ("object in array", '[{"a": [{"b": 1}]}]', [(1, "exchange.row-json")]),
    ("a name twice", '[{"a": 1, "a": 2}]', [(1, "exchange.row-json")]),
    ("an empty name", '[{"": 1}]', [(1, "exchange.row-json")]),
    ("NaN", '[{"a": NaN},\n{"a": -Infinity}]', [(1, "exchange.row-json"), (2, "exchange.row-json")]),
    ("out of range", '[{"a": 9223372036854775808}]', [(1, "exchange.row-value")]),
    ("not finite", '[{"a": 1e999}]', [(1, "exchange.row-value")]),
    ("lone surrogate", '[{"a": "\\ud800"}]', [(1, "exchange.row-value")]),
    ("too long", json.dumps([{"a": "é" * 140_000}], ensure_ascii=False), [(1, "exchange.row-value")]),
    ("bad base64", '[{"a": {"/": {"bytes": "?"}}}]', [(1, "exchange.row-value")]),
    ("bad CID", '[{"a": {"/": "bafy"}}]', [(1, "exchange.row-value")]),
    ("line", '{"a": 1}\n{"a": }\n{"a": 3}\n', [(2, "exchange.row-json")]),
    ("more on a line", '{"a": 1}\n{"a": 1} {"a": 2}\n', [(2, "exchange.row-json")]),
    ("line not UTF-8", b'{"a": 1}\n{"a": "\xe9"}\n', [(2, "exchange.encoding")]),
    ("deep line", '{"a": 1}\n{"a": ' + "[" * 100_000 + "}\n", [(2, "exchange.row-json")]),
    ("huge number", '{"a": 1}\n{"a": ' + "9" * 5000 + "}\n", [(2, "exchange.row-json")]),
]


@pytest.mark.parametrize(("data", "bad"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_rows(tmp_path: Path, data: str | bytes, bad: list[tuple[int, str]]) -> None:
    with pytest.raises(RowsRefused) as refused:
        table_of(tmp_path, data)
    assert [(row.line, row.code) for row in refused.value.bad_rows] == bad
    table = table_of(tmp_path, data, skip_bad=True)
    assert len(list(table)) == table.rows_count - table.bad_count


KEYS = ['[{"b": 1}, {"a": 1}]', '[{"a": null}]', '[{"a": ""}]', '[{"a": [1, 2]}]']


@pytest.mark.parametrize("data", KEYS)
def test_keys(tmp_path: Path, data: str) -> None:
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, data, key=("a",))
    assert refused.value.code == "exchange.rows"
    assert "the key column `a`" in refused.value.message


REFUSED = [
    ("empty", "", "exchange.json"),
    ("scalar", "1", "exchange.json"),
    ("cut", '[{"a": 1}', "exchange.json"),
    ("comma at the end", '[{"a": 1},]', "exchange.json"),
    ("something after", '[{"a": 1}] x', "exchange.json"),
    ("two tables", '{"a": [{"x": 1}], "b": [{"x": 1}]}', "exchange.json"),
    ("no table", '{"a": {"x": 1}, "b": 2}{', "exchange.json"),
    ("deep", "[" * 100_000, "exchange.json"),
    ("deep beside", '{"m": ' + "[" * 70 + "]" * 70 + ', "a": [{"x": 1}]}', "exchange.json"),
    ("deep and wide beside", '{"m": {"m": ' + "[" * 70 + "]" * 70 + '}, "a": [{"x": 1}]}', "exchange.json"),
    ("not UTF-8", b'[{"a": "\xe9"}]', "exchange.encoding"),
    ("no such key", '[{"title": 1}]', "exchange.key-column"),
]


@pytest.mark.parametrize(("data", "code"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_files_refused(tmp_path: Path, data: str | bytes, code: str) -> None:
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, data, key=("titel",) if code == "exchange.key-column" else ())
    assert refused.value.code == code


def test_an_error_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, '[{"a": 1},\n\n{"a": 2}\n {"a": 3}]')
    assert refused.value.where == f"{tmp_path / 't.json'} line 4"


def test_an_array_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [{"id": n, "text": "é" * (n % 500)} for n in range(2000)]
    table = table_of(tmp_path, json.dumps(rows, indent=1, ensure_ascii=False))
    assert said(table) == rows
    long = [{"id": 1, "text": "x" * 200_000}, {"id": 2}]
    assert said(table_of(tmp_path, json.dumps(long))) == long
    assert [row.line for row in table_of(tmp_path, '[{"a": 1},\n{"a":\n 2},\n\n{"a": 3}]')] == [1, 2, 5]


def test_declared_renamed_chosen(tmp_path: Path) -> None:
    data = '[{"Title": "x", "n": 1, "z": 12, "note": 1, "l": [1, 2.0]}]'
    table = table_of(
        tmp_path,
        data,
        rename={"Title": "title"},
        key=("title",),
        types={"n": "float", "z": "text", "l": "int"},
        drop=("note",),
    )
    [row] = said(table)
    assert row == {"title": "x", "n": 1.0, "z": "12", "l": [1, 2]}
    assert [type(v) for v in row["l"]] == [int, int]
    assert table.columns == ("title", "n", "z", "l")
    with pytest.raises(RowsRefused):
        table_of(tmp_path, '[{"n": "x"}]', types={"n": "int"})
    with pytest.raises(RowsRefused):
        table_of(tmp_path, '[{"n": 1.5}]', types={"n": "int"})


def test_notices(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        '[{"k": "a", "x": 1, "y": 1}, {"k": "a", "x": 1.5, "y": 2}]',
        key=("k",),
        known={"y": "float", "k": "text"},
    )
    assert [(n.code, n.column) for n in table.notices] == [
        ("duplicate-key", None),
        ("kinds-mixed", "x"),
        ("kinds-differ", "y"),
    ]
    assert table.kinds == {"k": "text", "x": "mixed", "y": "int"}


@pytest.mark.parametrize(
    ("name", "head", "format"),
    [
        ("a.csv", '{"a": 1}', "csv"),
        ("a.TSV.GZ", "", "tsv"),
        ("a.ndjson", "", "jsonl"),
        ("a.json", "[", "json"),
        ("a.json", '{"a": 1}\n{"a": 2}', "jsonl"),
        ("a.json", '{"a": [{"b": 1}]}', "json"),
        ("a", " [1]", "json"),
        ("a", '{"a": 1}\n', "jsonl"),
        ("a", "a,b\n", "csv"),
        ("a.txt", "a\tb\n", "csv"),
    ],
)
def test_formats(name: str, head: str, format: str) -> None:
    assert guess_format(name, head) == format


def test_gzip_and_blank_lines(tmp_path: Path) -> None:
    assert said(table_of(tmp_path, gzip.compress(b'{"a": 1}\n\n'), "t.jsonl.gz")) == [{"a": 1}]


def test_depth() -> None:
    assert [depth(v) for v in (1, [], {}, [1], [[]], {"a": [1, {"b": 2}]})] == [0, 1, 1, 1, 2, 3]

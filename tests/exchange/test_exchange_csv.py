"""CSV and TSV: what a file says, what is wrong with it, and the laws that reading it keeps."""

from __future__ import annotations

import csv
import gzip
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.errors import CODES, ExchangeError
from rhizomedb.exchange import csv_reader
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import NOTICES, Options, RowsRefused, Table
from rhizomedb.facts.cid import Cid


def table_of(folder: Path, data: str | bytes, name: str = "t.csv", **options: Any) -> Table:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_table(path, Options(**options))


def said(table: Table) -> list[dict[str, Any]]:
    return [row.values for row in table]


READ = [
    ("plain", "title,year\nAlien,1979\n", [{"title": "Alien", "year": 1979}]),
    ("no newline at the end", "title,year\nAlien,1979", [{"title": "Alien", "year": 1979}]),
    ("CR LF", "title,year\r\nAlien,1979\r\n", [{"title": "Alien", "year": 1979}]),
    ("CR alone", "title,year\rAlien,1979\r", [{"title": "Alien", "year": 1979}]),
    ("byte order mark", b"\xef\xbb\xbftitle,year\nAlien,1979\n", [{"title": "Alien", "year": 1979}]),
    ("blank lines", "\ntitle\n\nAlien\n\n\nBrazil\n", [{"title": "Alien"}, {"title": "Brazil"}]),
    ("empty cells say nothing", "a,b,c\n1,,x\n,,y\n", [{"a": 1, "c": "x"}, {"c": "y"}]),
    ("blank cells say nothing", "a,b\n1,  \n", [{"a": 1}]),
    ("empty rows are passed over", "a,b\n,\n1,2\n , \n", [{"a": 1, "b": 2}]),
    ("quoted newline", 'a,b\n"x\ny",1\n', [{"a": "x\ny", "b": 1}]),
    ("quoted comma and quote", 'a,b\n"x, ""y""",1\n', [{"a": 'x, "y"', "b": 1}]),
    ("quote inside a bare cell", 'a,b\n5" disk,1\n', [{"a": '5" disk', "b": 1}]),
    ("blanks around numbers", "a,b\n 1 ,2.5 \n", [{"a": 1, "b": 2.5}]),
    ("blanks around names", " a , b \n1,2\n", [{"a": 1, "b": 2}]),
    ("semicolons", "a;b\n1,5 m;x\n", [{"a": "1,5 m", "b": "x"}]),
    ("tabs", "a\tb\n1\tx, y\n", [{"a": 1, "b": "x, y"}]),
    ("bars", "a|b\n1|x\n", [{"a": 1, "b": "x"}]),
    ("one column", "a\nx y\nz\n", [{"a": "x y"}, {"a": "z"}]),
    ("header only", "a,b\n", []),
    ("unicode", "título,年\nAmélie,二\n", [{"título": "Amélie", "年": "二"}]),
    ("vertical tab and line separator are text", "a,b\nx\x0by\u2028z,1\n", [{"a": "x\x0by\u2028z", "b": 1}]),
]


@pytest.mark.parametrize(("data", "rows"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_read(tmp_path: Path, data: str | bytes, rows: list[dict[str, Any]]) -> None:
    table = table_of(tmp_path, data)
    assert said(table) == rows == said(table)  # as often as asked
    assert table.rows_count == len(rows)
    assert not table.notices


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'a,b\n"x\n\ny",1\n\nz,2\n')
    assert [row.line for row in table] == [2, 6]


KINDS = [
    (["1", "-2", "0", ""], "int", [1, -2, 0, None]),
    (["9223372036854775807"], "int", [2**63 - 1]),
    (["-9223372036854775808", "1"], "int", [-(2**63), 1]),
    (["9223372036854775808"], "text", ["9223372036854775808"]),
    (["1", "2.0"], "float", [1.0, 2.0]),
    (["1e3", "-2.5E-1", ".5", "5."], "float", [1000.0, -0.25, 0.5, 5.0]),
    (["-0.0"], "float", [0.0]),
    (["1e999"], "text", ["1e999"]),
    (["9007199254740993", "0.5"], "text", ["9007199254740993", "0.5"]),
    (["true", "FALSE", "True"], "bool", [True, False, True]),
    (["true", "1"], "text", ["true", "1"]),
    (["007", "1"], "text", ["007", "1"]),
    (["+1", "2"], "text", ["+1", "2"]),
    (["1_000"], "text", ["1_000"]),
    (["1,000"], "text", ["1,000"]),
    (["NaN", "1.5"], "text", ["NaN", "1.5"]),
    (["inf"], "text", ["inf"]),
    (["٣"], "text", ["٣"]),  # a digit, but not one that JSON writes
    (["0x10"], "text", ["0x10"]),
    (["yes", "no"], "text", ["yes", "no"]),
    (["1999-03-31"], "text", ["1999-03-31"]),
    (["", ""], "text", [None, None]),
]


def column(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["id", "x"], *([f"r{n}", cell] for n, cell in enumerate(cells))])
    return out.getvalue()


@pytest.mark.parametrize(("cells", "kind", "values"), KINDS)
def test_kinds(tmp_path: Path, cells: list[str], kind: str, values: list[Any]) -> None:
    table = table_of(tmp_path, column(cells))
    found = [row.values.get("x") for row in table]
    assert table.kinds["x"] == kind
    assert [(type(v), v) for v in found] == [(type(v), v) for v in values]


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    assert str(said(table_of(tmp_path, "x\n-0.0\n"))[0]["x"]) == "0.0"


DECLARED = [
    ("int", "007", 7),
    ("int", "+7", 7),
    ("float", "7", 7.0),
    ("float", "+.5", 0.5),
    ("text", " 7 ", " 7 "),
    ("bool", "yes", True),
    ("bool", "0", False),
    ("bytes", "00fF", b"\x00\xff"),
    ("cid", str(Cid.of(b"x")), Cid.of(b"x")),
]


@pytest.mark.parametrize(("kind", "cell", "value"), DECLARED)
def test_declared(tmp_path: Path, kind: str, cell: str, value: Any) -> None:
    table = table_of(tmp_path, f"x,y\n{cell},1\n", types={"x": kind})
    assert [(type(row["x"]), row["x"]) for row in said(table)] == [(type(value), value)]


KNOWN = [
    ("int joins float", ["1"], "float", [1.0], None),
    ("number joins text", ["1"], "text", ["1"], None),
    ("bool joins text", ["true"], "text", ["true"], None),
    ("float beside int", ["1.5", "2"], "int", [1.5, 2.0], "kinds-differ"),
    ("text beside int", ["x"], "int", ["x"], "kinds-differ"),
    ("too long to be a float", [str(2**53 + 1)], "float", [2**53 + 1], "kinds-differ"),
    ("hexadecimal joins bytes", ["00ff", "12"], "bytes", [b"\x00\xff", b"\x12"], None),
    ("not all hexadecimal", ["00ff", "xy"], "bytes", ["00ff", "xy"], "kinds-differ"),
    ("the same", ["1"], "int", [1], None),
]


@pytest.mark.parametrize(("cells", "known", "values", "notice"), [c[1:] for c in KNOWN], ids=[c[0] for c in KNOWN])
def test_known_kinds(tmp_path: Path, cells: list[str], known: str, values: list[Any], notice: str | None) -> None:
    table = table_of(tmp_path, column(cells), known={"x": known})
    assert [(type(row["x"]), row["x"]) for row in said(table)] == [(type(v), v) for v in values]
    assert [n.code for n in table.notices] == ([notice] if notice else [])


BAD = [
    ("too few cells", "a,b\n1,2\n3\n", {}, [(3, "exchange.row-width")]),
    ("too many cells", "a,b\n1,2,3\n4,5\n", {}, [(2, "exchange.row-width")]),
    ("no key", "a,b\n,2\n3,4\n", {"key": ("a",)}, [(2, "exchange.row-key")]),
    ("blank key", "a,b\n ,2\n3,4\n", {"key": ("a",)}, [(2, "exchange.row-key")]),
    ("not of its kind", "a,b\n1,x\n2,3\n", {"types": {"b": "int"}}, [(2, "exchange.row-value")]),
    ("out of range", f"a,b\n1,{2**63}\n", {"types": {"b": "int"}}, [(2, "exchange.row-value")]),
    ("not finite", "a,b\n1,1e999\n", {"types": {"b": "float"}}, [(2, "exchange.row-value")]),
    ("odd hexadecimal", "a,b\n1,abc\n", {"types": {"b": "bytes"}}, [(2, "exchange.row-value")]),
    ("too long", "a,b\n1," + "é" * 140_000 + "\n", {}, [(2, "exchange.row-value")]),
    ("NUL", "a,b\n1,\0\n2,3\n", {}, [(2, "exchange.row-value")]),
    ("Latin-1", b"a,b\n1,caf\xe9\n2,3\n", {}, [(2, "exchange.encoding")]),
    ("quote that goes on", 'a,b\n"x"y,2\n3,4\n', {}, [(2, "exchange.row-quote")]),
    ("quote never closed", 'a,b\n1,2\n"x,2\n3,4\n', {}, [(3, "exchange.row-quote")]),
    ("several", "a,b\n1\n2,3\n4,5,6\n", {}, [(2, "exchange.row-width"), (4, "exchange.row-width")]),
    ("after a quoted newline", 'a,b\n"x\ny",1\n2\n', {}, [(4, "exchange.row-width")]),
]


@pytest.mark.parametrize(("data", "options", "bad"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_rows(tmp_path: Path, data: str | bytes, options: dict[str, Any], bad: list[tuple[int, str]]) -> None:
    with pytest.raises(RowsRefused) as refused:
        table_of(tmp_path, data, **options)
    error = refused.value
    assert [(row.line, row.code) for row in error.bad_rows] == bad
    assert all(row.code in CODES for row in error.bad_rows)
    assert f"line {bad[0][0]}: " in error.message
    table = table_of(tmp_path, data, skip_bad=True, **options)
    assert [(row.line, row.code) for row in table.bad_rows] == bad
    assert len(list(table)) == table.rows_count - table.bad_count
    assert not {row.line for row in table} & {line for line, _ in bad}


def test_bad_rows_are_told_together(tmp_path: Path) -> None:
    rows = "".join(f"{n},x\n" if n % 5 else f"{n}\n" for n in range(1, 251))
    with pytest.raises(RowsRefused) as refused:
        table_of(tmp_path, "id,b\n" + rows)
    message = refused.value.message
    assert message.startswith("50 of 250 rows cannot be imported, nothing was:\n  line 6: 1 cell where")
    assert message.count("line ") == 20
    assert message.endswith("and 30 more")
    assert refused.value.fix == "--skip-bad imports the other 200"


def test_only_the_encoding_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RowsRefused) as refused:
        table_of(tmp_path, b"a,b\n1,caf\xe9\n")
    assert refused.value.code == "exchange.encoding"
    assert "byte 0xE9 at character 6" in refused.value.message
    assert "iconv" in (refused.value.fix or "")


REFUSED = [
    ("empty", "", {}, "exchange.header"),
    ("only blank lines", "\n\n", {}, "exchange.header"),
    ("a name twice", "a,b,a\n1,2,3\n", {}, "exchange.header"),
    ("a name twice after renaming", "a,b\n1,2\n", {"rename": {"b": "a"}}, "exchange.header"),
    ("a name missing", ",a\n0,1\n", {}, "exchange.header"),
    ("header not UTF-8", b"a,caf\xe9\n1,2\n", {}, "exchange.encoding"),
    ("header with NUL", b"a,b\0\n1,2\n", {}, "exchange.header"),
    ("header quote", '"a"b,c\n1,2\n', {}, "exchange.header"),
    ("UTF-16", "a,b\n1,2\n".encode("utf-16"), {}, "exchange.encoding"),
    ("spreadsheet", b"PK\x03\x04....", {}, "exchange.format"),
    ("SQLite", b"SQLite format 3\0....", {}, "exchange.format"),
    ("no such key", "title\nx\n", {"key": ("titel",)}, "exchange.key-column"),
    ("no such type column", "a\n1\n", {"types": {"b": "int"}}, "exchange.column"),
    ("no such only", "a\n1\n", {"only": ("b",)}, "exchange.column"),
    ("no such drop", "a\n1\n", {"drop": ("b",)}, "exchange.column"),
    ("no such rename", "a\n1\n", {"rename": {"b": "c"}}, "exchange.column"),
    ("dropped key", "a,b\n1,2\n", {"key": ("a",), "drop": ("a",)}, "exchange.key-column"),
    ("damaged gzip", b"\x1f\x8b\x08\x00rubbish", {}, "exchange.unreadable"),
    ("cut gzip", gzip.compress(b"a,b\n" + os.urandom(9000).hex().encode())[:-2000], {}, "exchange.unreadable"),
]


@pytest.mark.parametrize(("data", "options", "code"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_files_refused(tmp_path: Path, data: str | bytes, options: dict[str, Any], code: str) -> None:
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, data, **options)
    assert refused.value.code == code
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    "options", [{"format": "xls"}, {"delimiter": ",,"}, {"delimiter": '"'}, {"types": {"a": "integer"}}]
)
def test_options_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ExchangeError):
        Options(**options)


def test_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, "title,year\nx,1\n", key=("titel",))
    assert refused.value.nearest == ("title",)
    with pytest.raises(ExchangeError) as missing:
        read_table(tmp_path / "tt.csv")
    assert missing.value.code == "exchange.not-found"
    assert missing.value.nearest == (str(tmp_path / "t.csv"),)


@pytest.mark.parametrize("path", [".", "no/such/file.csv", "a\0b.csv"])
def test_paths_refused(path: str) -> None:
    with pytest.raises(ExchangeError):
        read_table(path)


def test_choosing_and_renaming_columns(tmp_path: Path) -> None:
    data = ",Title,Year,Note\n0,Alien,1979,x\n"
    table = table_of(
        tmp_path,
        data,
        rename={"Title": "title", "Year": "year"},
        key=("title",),
        drop=("", "Note"),
        types={"year": "text"},
    )
    assert said(table) == [{"title": "Alien", "year": "1979"}]
    assert table.columns == ("title", "year")
    only = table_of(tmp_path, data, drop=("",), only=("Year",), key=("Title",))
    assert said(only) == [{"Title": "Alien", "Year": 1979}]  # the key is always read


def test_notices(tmp_path: Path) -> None:
    data = f"id,x,n\na, y,{2**70}\nb,y ,1\na,z,2\na,z,3\n"
    table = table_of(tmp_path, data, key=("id",))
    assert [(n.code, n.column) for n in table.notices] == [
        ("duplicate-key", None),
        ("blanks-kept", "x"),
        ("numbers-as-text", "n"),
    ]
    assert "2 rows repeat" in str(table.notices[0])
    assert "line 4: a" in str(table.notices[0])
    assert len(list(table)) == 4  # all of them say what they say
    assert {n.code for n in table.notices} <= set(NOTICES)
    assert said(table)[0]["x"] == " y"
    assert said(table_of(tmp_path, data, strip=True))[0]["x"] == "y"


def test_delimiter_and_quotes_given(tmp_path: Path) -> None:
    assert said(table_of(tmp_path, "a:b\n1:2\n", delimiter=":")) == [{"a": 1, "b": 2}]
    assert said(table_of(tmp_path, 'a\tb\n"x\ty"\n', "t.tsv", quotes=False)) == [{"a": '"x', "b": 'y"'}]
    assert said(table_of(tmp_path, "a,b\tc\n1,2\t3\n", "t.tsv")) == [{"a,b": "1,2", "c": 3}]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv", "t"])
def test_gzip_by_its_bytes(tmp_path: Path, name: str) -> None:
    assert said(table_of(tmp_path, gzip.compress(b"a,b\n1,2\n"), name)) == [{"a": 1, "b": 2}]


def test_standard_input_and_pipes(tmp_path: Path) -> None:
    table = read_table("-", stdin=io.BytesIO(b"a,b\n1,2\n"))
    assert said(table) == said(table) == [{"a": 1, "b": 2}]
    assert table.name == "standard input"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"a,b\n1,2\n",))
    writer.start()
    table = read_table(pipe)
    writer.join()
    assert said(table) == said(table) == [{"a": 1, "b": 2}]


def test_a_file_that_changes_between_passes(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,b\n1,2\n")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,x\n")
    with pytest.raises(ExchangeError) as refused:
        list(table)
    assert refused.value.code == "exchange.unreadable"


def test_a_cell_without_end_stops_the_reading(tmp_path: Path) -> None:
    data = 'a,b\n1,2\n"' + "x\n" * (1 << 20)
    with pytest.raises(RowsRefused) as refused:
        table_of(tmp_path, data)
    assert [(row.line, row.code) for row in refused.value.bad_rows] == [(3, "exchange.row-quote")]


def test_a_line_without_end_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhizomedb.exchange.source.LINE_CHARACTERS_MAX", 1000)
    with pytest.raises(ExchangeError) as refused:
        table_of(tmp_path, "a,b\n" + "x" * 2000)
    assert refused.value.code == "exchange.format"


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 10_000)
    told: list[tuple[int, int]] = []
    table = read_table(path, progress=lambda done, total: told.append((done, total)))
    size = path.stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)
    told.clear()
    list(table.rows(lambda done, total: told.append((done, total))))
    assert told[-1] == (size, size)


# Laws.

cells = st.one_of(
    st.sampled_from(
        ["", "1", "-7", "2.5", "1e3", "true", "False", "x", "007", str(2**53 + 1), str(2**64), "NaN", "0.1"]
    ),
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
)


@given(st.lists(cells, min_size=1, max_size=30), st.randoms(use_true_random=False), st.integers(1, 7))
def test_the_kind_does_not_depend_on_order(
    tmp_path_factory: pytest.TempPathFactory, found: list[str], chance: Any, chunk: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    once = table_of(folder, column(found))
    shuffled = list(found)
    chance.shuffle(shuffled)
    usual, csv_reader.CHUNK_ROWS = csv_reader.CHUNK_ROWS, chunk
    try:
        again = table_of(folder, column(shuffled))
        values = sorted(repr(row.values.get("x")) for row in again)
    finally:
        csv_reader.CHUNK_ROWS = usual
    assert again.kinds == once.kinds
    assert {n.code for n in again.notices} == {n.code for n in once.notices}
    assert values == sorted(repr(row.get("x")) for row in said(table_of(folder, column(found))))


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        ("3,50 -1,0", True),
        ("1.234,5 2,0", True),
        ("3,50 x", False),
        ("3.50 2", False),
        ("3,5 2", True),
        ("007 0,5", True),
        ("007 08", False),
        ("1,2,3 2,0", False),
    ],
)
def test_decimal_commas_are_noted(tmp_path: Path, cells: str, noted: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"x;{cell}\n" for cell in cells.split()) + "y;\n")
    table = read_table(path, Options())
    assert [notice.code for notice in table.notices] == ["decimal-commas"] * noted

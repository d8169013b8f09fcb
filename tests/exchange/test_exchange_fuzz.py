"""Any bytes at all give rows or an `ExchangeError`, and the two passes agree."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import Error
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import Options
from rhizomedb.facts.value import check_value

MARKS = [*',,;\t""\n\n\r {}[]:-\\\0', "\r\n", "\ufeff"]
WORDS = [
    "a",
    "b",
    "1",
    "2.5",
    "1e9",
    "true",
    "é",
    "null",
    "NaN",
    "\\u0000",
    '"a"',
    '{"a": 1}',
    '{"a": [1, 2]}',
    '{"/":',
]
pieces = st.sampled_from(MARKS + WORDS)
texty = st.lists(pieces, max_size=60).map("".join)
data = st.one_of(
    st.binary(max_size=300),
    texty.map(str.encode),
    st.tuples(texty, st.binary(max_size=3), texty).map(lambda t: t[0].encode() + t[1] + t[2].encode()),
    texty.map(lambda t: gzip.compress(t.encode())),
    st.binary(max_size=60).map(lambda b: b"\x1f\x8b" + b),
)
options: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"skip_bad": st.booleans()},
    optional={
        "format": st.sampled_from(["csv", "tsv", "json", "jsonl"]),
        "key": st.just(("a",)),
        "types": st.dictionaries(st.just("a"), st.sampled_from(["int", "bytes", "text", "cid"]), max_size=1),
        "known": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["int", "float", "bytes", "text"])),
        "quotes": st.booleans(),
        "strip": st.booleans(),
        "drop": st.just(("",)),
    },
)


@settings(max_examples=600)
@given(data, options, st.sampled_from(["csv", "tsv", "json", "jsonl", "txt", "csv.gz"]))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes, given: dict[str, Any], suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{suffix}"
    path.write_bytes(content)
    try:
        table = read_table(path, Options(**given))
    except Error as error:
        assert str(error)
        return
    rows = list(table)
    assert len(rows) == table.rows_count - table.bad_count
    for row in rows:
        assert set(row.values) <= set(table.columns)
        for value in row.values.values():
            for one in value if isinstance(value, list) else [value]:
                assert check_value(one) == one

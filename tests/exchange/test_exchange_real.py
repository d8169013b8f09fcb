"""Real tables, and the demo's: they are read as what they are."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from rhizomedb.cli import demo
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import Options, Table

COUNTRIES = Path(__file__).parents[1] / "data" / "conflicts"
DEMO = Path(demo.__file__ or "").parent


@pytest.mark.parametrize(("name", "rows"), [("mledoze", 250), ("factbook", 240), ("codes", 249)])
def test_countries(name: str, rows: int) -> None:
    table = read_table(COUNTRIES / f"countries_{name}.csv", Options(key=("iso3",)))
    assert (table.rows_count, table.bad_count) == (rows, 0)
    # the one blank at the end of a cell is told, and kept
    assert [(n.code, n.column) for n in table.notices] == ([("blanks-kept", "capital")] if name == "codes" else [])
    # the Factbook's areas are whole numbers, so they are ints until they meet floats
    numbers = {
        "area_km2": "int" if name == "factbook" else "float",
        "latitude": "float",
        "longitude": "float",
        "land_neighbours": "int",
    }
    assert dict(table.kinds) == {column: numbers.get(column, "text") for column in table.columns}
    assert len({row.values["iso3"] for row in table}) == rows
    by_key = {row.values["iso3"]: row.values for row in table}
    assert by_key["NAM"]["name"] == "Namibia"
    assert by_key["NAM"]["tld"] == ".na"


def test_countries_meet() -> None:
    """Whole areas join areas that are not; the other way round it is told that they will not be equal."""
    joined = read_table(COUNTRIES / "countries_factbook.csv", Options(key=("iso3",), known={"area_km2": "float"}))
    assert joined.kinds["area_km2"] == "float"
    assert not joined.notices
    apart = read_table(COUNTRIES / "countries_mledoze.csv", Options(key=("iso3",), known={"area_km2": "int"}))
    assert [(n.code, n.column) for n in apart.notices] == [("kinds-differ", "area_km2")]


def by_title(table: Table) -> dict[object, dict[str, object]]:
    return {row.values["title"]: dict(row.values) for row in table}


def test_demo_catalogues() -> None:
    tables = {
        name: read_table(DEMO / f"{name}.csv", Options(key=("title",))) for name in ("imdb", "wiki", "wiki-corrected")
    }
    assert {name: table.rows_count for name, table in tables.items()} == {"imdb": 40, "wiki": 40, "wiki-corrected": 41}
    for table in tables.values():
        assert not table.notices
        assert dict(table.kinds) == {
            column: "int" if column in ("year", "runtime") else "text" for column in table.columns
        }
    films = {name: by_title(table) for name, table in tables.items()}
    both = set(films["imdb"]) & set(films["wiki"])
    assert len(both) == 34
    assert films["imdb"]["The Matrix"]["runtime"] == 136
    assert films["wiki"]["The Matrix"]["runtime"] == 138
    assert films["wiki-corrected"]["The Matrix"]["runtime"] == 136
    assert disagreements(films["imdb"], films["wiki"]) == 70
    assert disagreements(films["wiki"], films["wiki-corrected"]) == 5
    assert set(films["wiki-corrected"]) - set(films["wiki"]) == {"Moonlight"}
    # each title is spelled one way within a file, and no two differ by case alone
    assert all(a.casefold() != b.casefold() for titles in films.values() for a, b in combinations(map(str, titles), 2))


def disagreements(one: dict[object, dict[str, object]], other: dict[object, dict[str, object]]) -> int:
    return sum(
        1
        for title in one.keys() & other.keys()
        for column in one[title].keys() & other[title].keys()
        if one[title][column] != other[title][column]
    )

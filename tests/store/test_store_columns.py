"""Columns hold the same facts as a scan, whatever the cut and however the log lies in segments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import ATTRIBUTES, KEYS, deltas, write

from rhizomedb.facts.value import exact
from rhizomedb.store import Cut, indexed
from rhizomedb.store.sqlite import SqliteStore

CUTS = [Cut(), Cut(epoch=1), Cut(epoch=2, since=3), Cut(until=4), Cut(authors=frozenset([KEYS[0].public]))]


@given(st.lists(st.lists(deltas(), max_size=4), max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_columns_are_the_scan(tmp_path_factory: pytest.TempPathFactory, log: list, in_files: bool) -> None:
    path: Path = tmp_path_factory.mktemp("columns") / "c.db"
    with pytest.MonkeyPatch.context() as patch:
        if in_files:
            patch.setattr(indexed, "TAIL_FACTS", 1)
            patch.setattr(indexed, "SMALL", 3)
        store = SqliteStore(path, create=True)
        for batch in log:
            write(store, batch)
        for cut in CUTS:
            for attribute in ATTRIBUTES:
                found = []
                for part in store.columns(attribute, cut):
                    assert list(part.entity) == sorted(part.entity)
                    entities, values = store.cells(part.entity.tolist()), store.cells(part.value.tolist())
                    found += zip(entities, values, strict=True)
                scanned = [(row[1], row[3]) for row in store.scan("fact", {"attribute": exact(attribute)}, cut)]
                assert sorted(map(repr, found)) == sorted(map(repr, scanned))
        store.close()


def test_columns_are_handed_out_in_place(path: str) -> None:
    store = SqliteStore(path, create=True)
    assert list(store.columns("nobody")) == []
    from store_helpers import said

    write(store, [said(number) for number in range(600)])
    (part,) = store.columns("n")
    assert part.row.base is not None
    assert not part.row.flags.owndata
    assert not part.row.flags.writeable
    store.close()

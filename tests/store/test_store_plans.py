"""Every statement of a scan goes through the index it was written for, and needs no sorting."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from rhizomedb.store import COLUMNS
from rhizomedb.store.file import File
from rhizomedb.store.relations import PARTS, statement
from rhizomedb.store.sqlite import SqliteStore


@pytest.mark.parametrize("relation", COLUMNS)
@pytest.mark.parametrize("windowed", [False, True])
def test_plans(path: str, relation: str, windowed: bool) -> None:
    SqliteStore(path, create=True).close()
    file = File(path, create=False, wait_ms=0)
    columns = COLUMNS[relation]
    for bound in chain.from_iterable(combinations(columns, size) for size in range(len(columns) + 1)):
        for part, _ in enumerate(PARTS[relation]):
            for further in (False, True):
                sql = statement(relation, part, frozenset(bound), windowed, further)
                plan = [row[3] for row in file.run("EXPLAIN QUERY PLAN " + sql, dict.fromkeys(PARAMETERS))]
                assert not any("TEMP B-TREE" in step for step in plan), (sql, plan)
                scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
                assert not scans or not PARTS[relation][part].path(frozenset(bound)).uses, (sql, plan)
    file.close()


PARAMETERS = [
    "cid",
    "entity",
    "attribute",
    "value",
    "from",
    "to",
    "id",
    "delta",
    "fact",
    "facts",
    "deltas",
    "since",
    "until",
    "authors",
    "most",
    "after0",
    "after1",
]

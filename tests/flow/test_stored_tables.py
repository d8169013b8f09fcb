"""What is kept of a store from one query to the next is whole: a read that fails or is interrupted leaves nothing."""

from __future__ import annotations

import pytest

from rhizomedb.algebra import Relations
from rhizomedb.db.connection import Connection
from rhizomedb.errors import StoreError
from rhizomedb.flow.body import Input
from rhizomedb.flow.relation import Batch, Table
from rhizomedb.flow.stored import CellReading, Kept, StoredTable, TableReading

COLUMNS = ("from", "to")
EDGES = [(1, 2), (1, 3), (2, 2), (3, 4)]
WHOLE = Input("edge", (), COLUMNS)
BY_TO = Input("edge", (("to", 2),), ("from",))


def by_cells():
    return CellReading(Relations({"edge": (COLUMNS, EDGES)}))


def by_tables():
    table = Table(2)
    table.add(Batch.of_rows(EDGES, 2))
    return TableReading({"edge": table}, {"edge": COLUMNS})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("store.damaged", "a page is damaged")])
@pytest.mark.parametrize("how", [by_cells, by_tables])
def test_a_read_that_failed_is_done_again(monkeypatch, how, error):
    reading = how()
    kept = reading if isinstance(reading, TableReading) else Kept(reading, 1 << 20)

    def fails(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(type(reading), "read", fails)
        with pytest.raises(type(error)):
            kept.table(BY_TO).read()
    assert sorted(kept.table(BY_TO).read().rows()) == [(1,), (2,)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("store.damaged", "a page is damaged")])
def test_a_query_after_one_that_failed(db: Connection, monkeypatch, error):
    db.transact([(b"x" * 16, "n", 1)])
    program = 'n(of: N) :- fact(attribute: "n", value: N).'

    def fails(*_):
        raise error

    with monkeypatch.context() as patch:
        for reading in ("rhizomedb.db.programs.reading.NumberReading.read", "rhizomedb.flow.stored.CellReading.read"):
            patch.setattr(reading, fails)
        with pytest.raises(type(error)):
            db.query(program)
    assert [tuple(row) for row in db.query(program)] == [(1,)]


def test_one_batch_may_be_asked_by_any_of_its_columns():
    table = StoredTable(WHOLE, by_cells())
    asking = Batch.of_rows([(1, 3)], 2)
    for column, found in ((0, [2, 3]), (1, [4])):
        made, _ = table.probe(asking, [(0, column, 0)], [], [1])
        assert sorted(made.column_ids(0)) == found

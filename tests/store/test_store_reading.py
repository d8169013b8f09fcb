"""Reading by number against reading cell by cell: whatever was said, a flow is given the same tuples."""

from __future__ import annotations

from itertools import chain, combinations
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_helpers import KEYS, UNKNOWN, VALUES, delta, deltas, write

from rhizomedb.db.programs.reading import NumberReading
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, exact
from rhizomedb.flow.body import Input
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.stored import CellReading
from rhizomedb.logic import compare
from rhizomedb.store import COLUMNS, Cut
from rhizomedb.store.sqlite import SqliteStore

CUTS = [Cut(), Cut(epoch=1), Cut(epoch=2), Cut(until=4), Cut(since=3), Cut(authors=frozenset([KEYS[0].public]))]


@st.composite
def histories(draw):
    """Epochs of deltas; facts rest on earlier ones, and name them as values."""
    epochs, cids = [], []
    for _ in range(draw(st.integers(1, 3))):
        said = draw(st.lists(deltas(tuple(cids)), min_size=1, max_size=3))
        cids += [fact.cid for each in said for fact in each.facts]
        links = draw(st.lists(st.sampled_from(cids), max_size=3))
        if links:
            said.append(delta(*{Fact(b"link", "to", cid).cid: Fact(b"link", "to", cid) for cid in links}.values()))
        epochs.append(said)
    return epochs


def some_of(names):
    every = list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))
    return st.lists(st.sampled_from(every), max_size=6, unique=True) if every else st.just([])


@given(histories(), st.sampled_from(CUTS), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_numbers_are_the_cells(tmp_path_factory, history, cut, data):
    store = SqliteStore(str(tmp_path_factory.mktemp("reading") / "a.db"), create=True)
    try:
        for said in history:
            write(store, said)
        source = StoreSource(store, cut)
        numbers, cells = NumberReading(store.numbers(cut), source), CellReading(source)

        def shown(reading, batch):
            return {tuple(reading.dictionary.cells(row)) for row in batch.rows()}

        for relation, columns in COLUMNS.items():
            rows = list(store.scan(relation, {}, Cut()))
            for given_columns in [(), *data.draw(some_of(columns))]:
                row = data.draw(st.sampled_from(rows)) if rows else [exact(value) for value in VALUES[: len(columns)]]
                bound = tuple((name, row[columns.index(name)]) for name in given_columns)
                read = tuple(name for name in columns if name not in given_columns)
                input = Input(relation, bound, read)
                assert shown(numbers, numbers.read(input)) == shown(cells, cells.read(input))
                for names in data.draw(some_of(read)):
                    keys = [tuple(r[columns.index(name)] for name in names) for r in rows[:5]]
                    keys.append(tuple(exact(UNKNOWN[0]) for _ in names))
                    places = [read.index(name) for name in names]

                    def found(reading, keys=keys, names=names, places=places, input=input):
                        ids = [tuple(reading.dictionary.ids(key)) for key in dict.fromkeys(keys)]
                        return shown(reading, reading.look_up(input, places, Batch.of_rows(ids, len(names))))

                    assert found(numbers) == found(cells)
        ids = numbers.dictionary.ids([exact(value) for value in VALUES])
        assert numbers.dictionary.cells(ids) == [exact(value) for value in VALUES]
        assert len(set(ids)) == len({exact(value) for value in VALUES})
    finally:
        store.close()


VALUE = st.one_of(
    st.sampled_from(VALUES),
    st.integers(-3, 3),
    st.sampled_from([INTEGER_MIN, INTEGER_MAX, -1.5, 0.0, 2.5, 5e-324]),
    st.text("ab\0é\U0001f600", max_size=2),
    st.binary(max_size=2),
)


@given(st.lists(st.lists(VALUE, min_size=1, max_size=8), min_size=1, max_size=3), st.lists(VALUE, max_size=5), VALUE)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_compared_by_order_is_compared_by_value(tmp_path_factory, said, own, bound):
    """In one segment or in several, beside cells that the index does not have."""
    store = SqliteStore(str(tmp_path_factory.mktemp("order") / "a.db"), create=True)
    try:
        for number, values in enumerate(said):
            write(store, [delta(*{(f := Fact(b"e%d" % number, "of", value)).cid: f for value in values}.values())])
        numbers = store.numbers(Cut())
        ids = [*numbers.numbering.ids(exact(value) for value in (*chain(*said), *own, b"e0", "of"))]
        ids += [row for (row,) in numbers.facts_of({}, ["$cid"])]
        ids = sorted(set(ids))
        for comparison in ("<", "<=", ">", ">="):
            for value in (bound, *own):
                with patch("rhizomedb.store.numbering.MANY", 0):
                    found = numbers.numbering.compared(comparison, exact(value), ids)
                if type(value) is Cid:
                    assert found is None
                    continue
                cells = numbers.numbering.cells(ids)
                expected = [id for id, cell in zip(ids, cells, strict=True) if compare(comparison, cell, exact(value))]
                assert list(found) == expected
    finally:
        store.close()

"""Reading by number against reading cell by cell: whatever was said, a flow is given the same tuples."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_helpers import KEYS, UNKNOWN, VALUES, delta, deltas, write

from rhizomedb.db.reading import NumberReading
from rhizomedb.db.source import StoreSource
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact
from rhizomedb.flow.body import Input
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.stored import CellReading
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


def chosen(names):
    return chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1))


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
            for given_columns in [(), *chosen(columns)]:
                row = data.draw(st.sampled_from(rows)) if rows else [exact(value) for value in VALUES[: len(columns)]]
                bound = tuple((name, row[columns.index(name)]) for name in given_columns)
                read = tuple(name for name in columns if name not in given_columns)
                input = Input(relation, bound, read)
                assert shown(numbers, numbers.read(input)) == shown(cells, cells.read(input))
                for names in chosen(read):
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

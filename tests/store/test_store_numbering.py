"""Numbering: while more and more is said, a cell keeps its id, and whatever is read by number is what cells say."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_helpers import VALUES, delta, deltas, write

from rhizomedb.db.programs.reading import NumberReading, reading_of
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact
from rhizomedb.flow.body import Input
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.stored import CellReading
from rhizomedb.store import COLUMNS, Cut
from rhizomedb.store.numbering import OWN, Numbering
from rhizomedb.store.relations import View
from rhizomedb.store.segment import ROW
from rhizomedb.store.sqlite import SqliteStore

SLOW = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def histories(draw):
    """Epochs of deltas that name each other's facts and deltas: as values and as causes, before they come and after."""
    epochs = [draw(st.lists(deltas(()), min_size=1, max_size=3)) for _ in range(draw(st.integers(2, 4)))]
    cids = [cid for said in epochs for each in said for cid in (each.id, *(fact.cid for fact in each.facts))]
    named = st.lists(st.sampled_from(cids), max_size=2)
    for said in epochs:
        for cid in draw(named):
            said.insert(draw(st.integers(0, len(said))), delta(Fact(b"link", "to", cid, draw(named))))
    return epochs


def cells_of(epochs):
    """Every cell that a history says, and some that it does not."""
    said = [each for epoch in epochs for each in epoch]
    facts = [fact for each in said for fact in each.facts]
    return list(
        dict.fromkeys(
            [
                *(exact(value) for value in (*VALUES, 12345, "never said")),
                *(each.id for each in said),
                *(cell for fact in facts for cell in (fact.cid, fact.entity, exact(fact.attribute), exact(fact.value))),
                *(cause for fact in facts for cause in fact.causes),
            ]
        )
    )


def agree(numbers, cells, some, note=lambda cells, ids: None):
    """What is read by number is what is read by cell: whole, with each of some cells bound, and looked up by them."""
    numbering = numbers.dictionary
    for relation, columns in COLUMNS.items():
        whole = Input(relation, (), columns)
        rows = numbers.read(whole).rows()
        for row in rows:
            note(numbering.cells(row), row)
        by_cells = [cells.dictionary.cells(row) for row in cells.read(whole).rows()]
        assert sorted(map(str, map(numbering.cells, rows))) == sorted(map(str, by_cells))
        for place, column in enumerate(columns):
            keys = Batch.of_rows([(id,) for id in numbering.ids(some)], 1)
            found = {tuple(numbering.cells(row)) for row in numbers.look_up(whole, [place], keys).rows()}
            assert found == {tuple(row) for row in by_cells if row[place] in some}, column
            for cell in some[:1]:
                rest = tuple(name for name in columns if name != column)
                bound = Input(relation, ((column, cell),), rest)
                found = sorted(str(numbering.cells(row)) for row in numbers.read(bound).rows())
                assert found == sorted(str(row[:place] + row[place + 1 :]) for row in by_cells if row[place] == cell)


@given(histories(), st.data())
@SLOW
def test_a_cell_keeps_its_id_while_more_is_said(tmp_path_factory, history, data):
    store = SqliteStore(str(tmp_path_factory.mktemp("numbering") / "a.db"), create=True)
    pool = st.sampled_from(cells_of(history))
    try:
        begin = data.draw(st.integers(0, len(history) - 1))
        for said in history[:begin]:
            write(store, said)
        numbering = store.numbering()
        known = {}

        def note(cells, ids):
            assert numbering.cells(ids) == list(cells)
            for cell, id in zip(cells, ids, strict=True):
                assert known.setdefault(cell, id) == id, cell
            assert len(set(known.values())) == len(known), "different cells have different ids"

        for number, said in enumerate([[], *history[begin:]]):
            if said:
                write(store, said)
            if data.draw(st.booleans()):
                continue  # what is not looked at is caught up with later
            cut = data.draw(st.sampled_from([Cut(), Cut(epoch=begin + number), Cut(epoch=1)]))
            source = StoreSource(store, cut)
            numbers, cells = NumberReading(store.numbers(cut, numbering), source), CellReading(source)
            some = data.draw(st.lists(pool, max_size=4, unique=True))
            note(some, numbering.ids(some))
            note(list(known), numbering.ids(known))
            agree(numbers, cells, some, note)
            if data.draw(st.booleans()):
                held = set(data.draw(st.lists(st.sampled_from(sorted(known.values())), max_size=3))) if known else set()
                numbering.sweep(held)
                known = {cell: id for cell, id in known.items() if id in held or not OWN <= id < ROW}
                assert numbering.own == sum(OWN <= id < ROW for id in known.values())
    finally:
        store.close()


def test_words_of_one_fact_meet(tmp_path):
    """A fact that is asked for, then named, then said; and the same after nobody held its id any more."""
    target = Fact(b"film", "year", 1979)
    store = SqliteStore(str(tmp_path / "a.db"), create=True)
    try:
        numbering = store.numbering()
        (own,) = numbering.ids([target.cid])
        assert own >= OWN
        write(store, [delta(Fact(b"link", "to", target.cid))])
        write(store, [delta(target)])
        numbers = store.numbers(Cut(), numbering)
        assert numbering.ids([target.cid]) == [own]
        assert list(numbers.facts_of({"$cid": own}, ("$cid",))) == [(own,)]
        assert len(list(numbers.facts_of({"value": own}, ("$cid",)))) == 1
        numbering.sweep(set())
        (row,) = numbering.ids([target.cid])
        assert row >= ROW and numbering.own == 0
        assert len(list(numbers.facts_of({"value": row}, ("$cid",)))) == 1
        assert isinstance(numbering.cells([row])[0], Cid)
    finally:
        store.close()


class TakenBack(Exception):
    """What ends a write in these tests."""


@given(histories(), st.data())
@SLOW
def test_each_question_is_answered_as_if_it_were_the_first(tmp_path_factory, history, data):
    """Ids outlast the moment of a question: whatever was said since, or said and taken back, or indexed anew."""
    store = SqliteStore(str(tmp_path_factory.mktemp("asking") / "a.db"), create=True)
    pool = st.sampled_from(cells_of(history))

    def ask():
        cut = data.draw(st.sampled_from([Cut(), Cut(epoch=1), Cut(epoch=2)]))
        source = StoreSource(store, cut)
        agree(
            reading_of(store, cut, source).reading,
            CellReading(source),
            data.draw(st.lists(pool, max_size=3, unique=True)),
        )

    try:
        for said in history:
            with suppress(TakenBack), store.writing():
                if data.draw(st.booleans()):
                    ask()
                if data.draw(st.booleans()):
                    named = data.draw(pool.filter(lambda cell: type(cell) is Cid))
                    store.append([delta(Fact(b"link", "taken back", named))], store.begin(1, "test"))
                    ask()
                raise TakenBack
            if data.draw(st.booleans()):
                ask()
            if data.draw(st.integers(0, 3)) == 0:
                store.rebuild_index()
            write(store, said)
            ask()
    finally:
        store.close()


def test_a_question_does_not_look_at_all_links_after_each_write(tmp_path, monkeypatch):
    store = SqliteStore(str(tmp_path / "a.db"), create=True)
    try:
        write(store, [delta(*(Fact(b"%d" % number, "to", Cid.of(b"%d" % number)) for number in range(2000)))])
        walks = []
        links = Numbering._links
        monkeypatch.setattr(Numbering, "_links", lambda self: walks.append(1) or links(self))
        for number in range(4):
            source = StoreSource(store, Cut())
            rows = reading_of(store, Cut(), source).reading.read(Input("fact", (("attribute", "to"),), ("value",)))
            assert len(rows) == 2000 + number
            write(store, [delta(Fact(b"more", "to", Cid.of(b"more %d" % number)))])
        assert len(walks) == 1
        write(store, [delta(*(Fact(b"%d" % number, "n", number) for number in range(4000)))])
        reading_of(store, Cut(), StoreSource(store, Cut())).reading.read(Input("fact", (), ("value",)))
        assert len(walks) == 2, "of more than the links that there are, they are looked at again"
    finally:
        store.close()


def test_a_question_is_answered_anew_where_the_index_gave_other_numbers(tmp_path):
    store = SqliteStore(str(tmp_path / "a.db"), create=True)

    def ask():
        source = StoreSource(store, Cut())
        agree(reading_of(store, Cut(), source).reading, CellReading(source), [third.cid, "third"])

    third = Fact(b"3", "n", "third")
    try:
        write(store, [delta(Fact(b"1", "n", "first"))])
        write(store, [delta(Fact(b"2", "n", "second"), Fact(b"2", "m", 2))])
        write(store, [delta(Fact(b"1", "to", third.cid)), delta(third)])
        ask()
        store._file.run("UPDATE log SET frame = CAST(substr(frame, 1, 90) AS BLOB) WHERE seq = 2")
        assert len(store.rebuild_index()) == 1
        ask()
    finally:
        store.close()


@pytest.mark.parametrize("met", ["first", "later"])
def test_what_was_interrupted_is_met_at_the_next_look(tmp_path, monkeypatch, met):
    """Whichever look into the index is interrupted while words are met, afterwards each word of a cell leads to one id."""
    film, known, own = Fact(b"film", "year", 1979), Fact(b"film", "title", "Alien"), Fact(b"film", "name", "computed")
    naming = [Fact(b"link", "to", fact.cid) for fact in (film, known, own)]
    look = View.row

    for place in count(1):
        looks = count(1)

        def interrupted(view, cid, looks=looks, place=place):
            if next(looks) == place:
                raise KeyboardInterrupt
            return look(view, cid)

        store = SqliteStore(str(tmp_path / f"{place}.db"), create=True)
        try:
            write(store, [delta(known), delta(naming[0])])
            if met == "first":
                write(store, [delta(*naming[1:]), delta(film), delta(own)])
            numbering = store.numbering()
            computed = numbering.ids([exact("computed"), own.cid]) if met == "later" else None
            if met == "later":
                _ = numbering.images
                write(store, [delta(*naming[1:]), delta(film), delta(own)])
            with monkeypatch.context() as patch:
                patch.setattr(View, "row", interrupted)
                try:
                    numbers = store.numbers(Cut(), numbering)
                    _ = numbering.images
                    is_interrupted = False
                except KeyboardInterrupt:
                    is_interrupted = True
            numbers = store.numbers(Cut(), numbering)
            for fact, by in zip((film, known, own), naming, strict=True):
                (id,) = numbering.ids([fact.cid])
                assert list(numbers.facts_of({"$cid": id}, ("$cid",))) == [(id,)]
                assert list(numbers.facts_of({"value": id}, ("entity",))) == [tuple(numbering.ids([by.entity]))]
                values = [int(id) for part in numbers.attribute(exact("to"), ("value",)) for id in part[0]]
                assert values.count(id) == 1
            if computed is not None:
                assert numbering.ids([exact("computed"), own.cid]) == computed
        finally:
            store.close()
        if not is_interrupted:
            break
    assert place > 3, "there were looks to interrupt"

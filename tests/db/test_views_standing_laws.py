"""Standing views against the plain evaluator: after every epoch, and wherever a view is moved, both say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_histories import HISTORIES, World, cells, sensible, stored_programs, world

from rhizomedb.algebra.optimize import STANDING_RULES
from rhizomedb.algebra.plan import plan_standing
from rhizomedb.budget import Budget
from rhizomedb.crdt.register import with_stands
from rhizomedb.db.live import open_views, upkeep
from rhizomedb.db.live.live_view import View
from rhizomedb.db.live.outlet import ViewWatch
from rhizomedb.db.live.stored import Arrivals, NumberStored, PlainStored, Stored
from rhizomedb.db.programs.compiled import standing
from rhizomedb.db.programs.query import prepare
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.flow.body import Input
from rhizomedb.logic.rewrites import STANDING_REWRITES
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import COLUMNS, Cut

EXAMPLES = {"memory": 120, "file": 30}


class Mirror:
    """What a watch has told so far, summed up."""

    def __init__(self, view: View) -> None:
        self.watch: ViewWatch = view.watch(view.relations, from_now=False, timeout_s=0)
        self.sums: dict[str, set[Any]] = {name: set() for name in view.relations}
        self.epoch = -1

    def take(self) -> None:
        for change in self.watch:
            assert change.before is None or change, "an epoch that changes nothing is not told of"
            for name, difference in change.relations.items():
                plus, minus = cells(difference.plus), cells(difference.minus)
                assert not plus & minus and not plus & self.sums[name] and minus <= self.sums[name]
                self.sums[name] = (self.sums[name] | plus) - minus


def plainly(reader: Any, program: Any, name: str) -> set[Any]:
    """What the evaluator that is slow and right says of a relation."""
    source = StoreSource(reader._store, reader.cut)
    return set(prepare(with_stands(program), COLUMNS, relation=name).run(source, Budget()).relations[name].rows)


def agree(view: View, told: Mirror, reader: Any, program: Any) -> None:
    told.take()
    for name in view.relations:
        asked = plainly(reader, program, name)
        assert cells(view.relation(name)) == asked
        assert told.sums[name] == asked


def follows(history: Any, begin: int, program: Any, w: World) -> None:
    for step in history[:begin]:
        w.step(*step)
    view: View = sensible(lambda: w.db.view(program))
    told = Mirror(view)
    agree(view, told, w.db, program)
    for step in history[begin:]:
        w.step(*step)
        agree(view, told, w.db, program)
        assert view.epoch == w.db.cut.epoch
    newest = view.epoch
    for epoch in (*range(newest, -1, -1), *range(0, newest + 1, 2), 0, newest, newest // 2):  # step by step and at once
        view.rewind(epoch)
        assert view.epoch == epoch
        agree(view, told, w.db.at_epoch(epoch), program)
    view.refresh()
    agree(view, told, w.db, program)


@contextmanager
def planned(rewrites: Any, rules: Any) -> Iterator[None]:
    """Views are planned with these rewrites alone."""
    planning = partial(plan_standing, rewrites=rewrites, rules=rules)
    with mock.patch.object(open_views, "standing", partial(standing, planning=planning)):
        yield


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_view_is_the_query_at_every_epoch(kind: str) -> None:
    @given(stored_programs(), HISTORIES, st.integers(0, 6))
    @settings(max_examples=EXAMPLES[kind])
    def law(program: Any, history: Any, begin: int) -> None:
        with world(kind) as w:
            follows(history, begin, program, w)

    law()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_any_rewrites_keep_a_view_what_it_is(kind: str) -> None:
    """None, one, or some; and the dictionary swept at every move."""

    @given(stored_programs(), HISTORIES, st.integers(0, 6), st.sets(st.sampled_from(STANDING_RULES)), st.data())
    @settings(max_examples=EXAMPLES[kind] // 2)
    def law(program: Any, history: Any, begin: int, rules: Any, data: Any) -> None:
        rewrites = data.draw(st.sets(st.sampled_from(STANDING_REWRITES)))
        in_order = [[each for each in known if each in some] for known, some in ((STANDING_REWRITES, rewrites), (STANDING_RULES, rules))]  # fmt: skip
        with planned(*in_order), mock.patch.object(upkeep, "SWEPT_MIN", 0), world(kind) as w:
            follows(history, begin, program, w)

    law()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_view_of_a_window_is_the_query_in_it(kind: str) -> None:
    @given(stored_programs(), HISTORIES, st.integers(0, 4), st.sampled_from(["by", "since", "as_of"]))
    @settings(max_examples=EXAMPLES[kind] // 2)
    def law(program: Any, history: Any, hours: int, narrowed: str) -> None:
        with world(kind) as w:
            w.db.transact([(b"e" * 16, "a", 1)], author="bob")
            value: Any = "bob" if narrowed == "by" else w.wall.ms + hours * 1_000_000
            view: View = sensible(lambda: w.db.view(program, **{narrowed: value}))
            told = Mirror(view)
            for step in history:
                w.step(*step)
                reader = getattr(w.db, narrowed)(value)
                agree(view, told, reader, program)
            view.rewind(view.epoch // 2)
            agree(view, told, getattr(w.db.at_epoch(view.epoch), narrowed)(value), program)

    law()


@st.composite
def inputs(draw: Any) -> Input:
    """Any columns of any stored relation, with constants that something may have."""
    relation = draw(st.sampled_from(sorted(COLUMNS)))
    columns = COLUMNS[relation]
    constants = {
        "attribute": ["a", "b", "c"],
        "value": [0, 1, 2],
        "scope": ["own", "seen"],
        "counter": [0],
        "epoch": [2],
    }
    bound = [
        (column, draw(st.sampled_from(constants[column])))
        for column in columns
        if column in constants and draw(st.integers(0, 2)) == 0
    ]
    rest = [column for column in columns if column not in dict(bound)]
    read = tuple(column for column in rest if draw(st.booleans()))
    return Input(relation, tuple(bound), read)


STORED: dict[str, Callable[[Any], Stored]] = {
    "plain": lambda store: PlainStored(store, Arrivals(store)),
    "number": NumberStored,
}
"""How a store in a file may be read."""


@pytest.mark.parametrize("how", STORED)
def test_changes_lead_from_any_epoch_to_any_other(how: str) -> None:
    """Also where what reads was there before all was said, and counted as a bag, cells by cells."""

    @given(st.lists(inputs(), min_size=3, max_size=8), HISTORIES, st.data())
    @settings(max_examples=80)
    def law(reads: Any, history: Any, data: Any) -> None:
        with world("memory" if how == "plain" else "file") as w:
            assert isinstance(w.db._store, SqliteStore) == (how == "number")
            begin = data.draw(st.integers(0, len(history)))
            for step in history[:begin]:
                w.step(*step)
            stored = STORED[how](w.db._store)
            for step in [None, *history[begin:]]:
                if step is not None:
                    w.step(*step)
                if data.draw(st.booleans()):
                    lead(reads, stored, w, data)

    def lead(reads: Any, stored: Stored, w: World, data: Any) -> None:
        newest = w.db.cut.epoch
        first, last = (data.draw(st.integers(0, newest)) for _ in range(2))
        authors = data.draw(st.sampled_from([None, frozenset(list(w.db.authors().values())[:1])]))
        named = {f"input {number}": read for number, read in enumerate(reads)}
        before, after = (Cut(epoch=epoch, authors=authors) for epoch in (first, last))
        changes = stored.changes(named, before, after)
        assert stored.is_current()
        for name, read in named.items():
            rows = sorted(stored.read(read, before).rows())
            if name in changes:
                assert changes[name], "what did not change is not named"
                for row in changes[name].minus.rows():
                    rows.remove(row)
                rows = sorted([*rows, *changes[name].plus.rows()])
            assert rows == sorted(stored.read(read, after).rows())
            places = [COLUMNS[read.relation].index(column) for column in read.columns]
            cells = [
                tuple(row[place] for place in places)
                for row in w.db._store.scan(read.relation, dict(read.bound), after)
            ]
            assert sorted(map(repr, cells)) == sorted(repr(tuple(stored.dictionary.cells(row))) for row in rows)

    law()

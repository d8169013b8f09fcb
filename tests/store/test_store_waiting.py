"""What was taken in and is in no segment yet: it counts as if it were, and whoever reads finds it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import deltas, everything, said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.store import ALL, MemoryStore, indexed
from rhizomedb.store.indexed import built
from rhizomedb.store.said import said_by
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.tiers import Tiers
from rhizomedb.store.waiting import COUNTED_DELTAS, Waiting


@st.composite
def logs(draw: Any) -> list[Delta]:
    """Some deltas in the order of a log, some of which say what others said and name it as cause."""
    found: dict[Any, Delta] = {}
    causes: list[Any] = []
    for _ in range(draw(st.integers(1, 8))):
        delta = draw(deltas(causes[-6:]))
        causes += [fact.cid for fact in delta.facts]
        found.setdefault(delta.id, delta)
    return list(found.values())


@given(logs(), st.data())
@settings(max_examples=120, deadline=None)
def test_what_waits_is_counted_as_a_segment_of_it_counts(log: list[Delta], data: Any) -> None:
    take_in = [said_by(delta, 1) for delta in log]
    kept = data.draw(st.integers(0, len(log) - 1))
    tiers = Tiers([built(Tiers(), take_in[:kept])] if kept else [])
    waiting = Waiting()
    for each in take_in[kept:]:
        waiting.add(each)
        if data.draw(st.booleans()):
            waiting.count(tiers.index)
    waiting.count(tiers.index)
    part = built(tiers, take_in[kept:])
    assert (waiting.facts, waiting.causes, waiting.repeats) == (part.bounds.facts, part.causes, part.repeats)
    assert waiting.time == max((each.ms, each.counter) for each in take_in[kept:])


@pytest.mark.parametrize("writes", [1, COUNTED_DELTAS, COUNTED_DELTAS + 2, 3 * COUNTED_DELTAS])
def test_what_nobody_read_is_there_for_all(path: str, writes: int) -> None:
    store, twin = SqliteStore(path, create=True), MemoryStore()
    for number in range(writes):
        assert write(store, [said(number)]) == write(twin, [said(number)])
        assert write(store, [said(number // 2)]) == write(twin, [said(number // 2)])
    other = SqliteStore(path, create=False)
    assert everything(other) == everything(twin)
    assert everything(store) == everything(twin)
    assert list(other.verify()) == []
    for each in (store, other):
        each.close()


def test_a_write_that_fails_takes_nothing_with_it_that_was_kept(path: str) -> None:
    store, twin = SqliteStore(path, create=True), MemoryStore()
    for number in range(3):
        write(store, [said(number)])
        write(twin, [said(number)])
    with pytest.raises(ZeroDivisionError), store.writing():
        store.append([said(7)], store.begin(1, "test"))
        assert store.has(said(7).id)
        raise ZeroDivisionError
    assert not store.has(said(7).id)
    assert everything(store) == everything(twin)
    write(store, [said(8)])
    write(twin, [said(8)])
    assert everything(store) == everything(twin) and list(store.verify()) == []
    store.close()


def test_a_cell_that_came_up_in_a_write_that_failed_is_no_cell(path: str) -> None:
    store, twin = SqliteStore(path, create=True), MemoryStore()
    with pytest.raises(ZeroDivisionError), store.writing():
        store.append([said(7)], store.begin(1, "test"))
        assert everything(store)
        raise ZeroDivisionError
    for number in (5, 7):
        write(store, [said(number)])
        write(twin, [said(number)])
        assert everything(store) == everything(twin)
    store.close()


@pytest.mark.parametrize("reason", [KeyboardInterrupt(), MemoryError(), StoreError("store.index-damaged", "a page")])
def test_a_segment_that_could_not_be_built_loses_none_of_what_waits(
    path: str, reason: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, twin = SqliteStore(path, create=True), MemoryStore()
    for number in range(3):
        write(store, [said(number)])
        write(twin, [said(number)])

    def stopped(*_: object) -> None:
        raise reason

    with monkeypatch.context() as patch, pytest.raises(type(reason)):
        patch.setattr(indexed, "built", stopped)
        list(store.scan("fact", {}, ALL))
    assert everything(store) == everything(twin), "what was kept is there for who asks again"
    write(store, [said(3)])
    write(twin, [said(3)])
    assert everything(store) == everything(twin) and list(store.verify()) == []
    store.close()

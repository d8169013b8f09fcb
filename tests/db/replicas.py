"""Copies that write apart and meet now and then: what the laws of the replicated values share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

import rhizomedb
from rhizomedb.db.connection import Connection
from rhizomedb.db.types import replicated


def doings(does: dict[str, Any], copies: int, most: int = 9) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """What happens: who does what, and who meets whom."""
    places = st.integers(0, copies - 1)
    said = [st.tuples(st.just(what), places, how) for what, how in does.items()]
    return st.lists(st.one_of(*said, st.tuples(st.just("meet"), places, places)), max_size=most)


@contextmanager
def opened(count: int) -> Iterator[list[Connection]]:
    """Copies of one author: two devices of one person are two writers."""
    dbs = [rhizomedb.open(":memory:", author="one person") for _ in range(count)]
    try:
        yield dbs
    finally:
        for db in dbs:
            db.close()


def meet(one: Connection, other: Connection) -> None:
    one.admit([delta.encode() for delta in other.deltas()], origin="meeting")
    other.admit([delta.encode() for delta in one.deltas()], origin="meeting")


def meet_all(dbs: list[Connection]) -> None:
    for db in dbs[1:]:
        meet(dbs[0], db)
    for db in dbs[1:]:
        meet(dbs[0], db)


def holds(law: Callable[..., None], strategy: st.SearchStrategy[Any], examples: int) -> None:
    """Whether a law holds of many histories."""
    given(strategy)(settings(max_examples=examples)(law))()


def is_caught(law: Callable[..., None], strategy: st.SearchStrategy[Any], examples: int = 150) -> None:
    """That what was broken on purpose is caught by a law."""
    once = settings(max_examples=examples, phases=[Phase.generate], database=None, report_multiple_bugs=False)
    # A law may be broken by an error that does not come; and as ids are random, the same history may fail, or not.
    with pytest.raises((AssertionError, pytest.fail.Exception, FlakyFailure)):
        given(strategy)(once(law))()


def all_writers_alike(patch: pytest.MonkeyPatch) -> None:
    """Break the handles: no writer, and no element, has anything that only it has."""
    patch.setattr(replicated.secrets, "token_bytes", bytes)

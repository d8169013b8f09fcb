"""Watching a database: every epoch as it comes, whoever wrote it, in this process or another.

An epoch is told of once, in order and whole, for epochs are numbered without gaps and never change. To see that there is
a new one costs one look at a number that SQLite keeps in memory that all processes share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, Final

from rhizomedb._record import dataclass
from rhizomedb.crdt.register import RETRACTS, WITHDRAWS
from rhizomedb.db.moment import show_ms
from rhizomedb.errors import RequestError, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.value import Attribute, Entity, exact, plain
from rhizomedb.store.store import ALL, Store

if TYPE_CHECKING:
    from rhizomedb.facts.cid import Cid
    from rhizomedb.facts.fact import Fact

POLL_S: Final = 0.05
"""The longest pause between two looks; the shortest is a tenth of it, as long as something comes."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One epoch: its number, the local time in milliseconds, what brought it, and how many deltas and new facts it has."""

    number: int
    at_ms: int
    origin: str
    deltas: int
    facts: int
    _store: Store = field(repr=False, compare=False)

    def registers(self) -> Iterator[tuple[Entity, Attribute]]:
        """The entities and attributes about which something was said or taken back, once each."""
        known: set[tuple[Entity, object]] = set()
        for epoch, envelope in self._store.envelopes(self.number - 1):
            if epoch > self.number:
                return
            for fact in Delta.decode(envelope).facts:
                for attribute in self._attributes(fact):
                    register = fact.entity, exact(attribute)
                    if register not in known:
                        known.add(register)
                        yield fact.entity, attribute

    @property
    def cursor(self) -> str:
        """The place after this epoch: what `watch` and `subscribe` go on from, in another process too."""
        from rhizomedb.db.live.cursor import cursor_of, end_of

        return cursor_of(self._store, end_of(self._store, self.number))

    def _attributes(self, fact: Fact) -> Iterator[Attribute]:
        """The attribute of a fact; of one that takes back, those of what it takes back, and what that had taken back."""
        if fact.attribute not in (RETRACTS, WITHDRAWS):
            yield fact.attribute
            return
        waiting = list(fact.causes)
        met = set(waiting)
        while waiting:
            cause = waiting.pop()
            for _, _, attribute, _ in self._store.scan("fact", {"$cid": cause}, ALL):
                if attribute == RETRACTS:  # it was withdrawn; a retraction takes back no retraction
                    further: set[Cid] = {row[1] for row in self._store.scan("cause", {"from": cause}, ALL)}  # type: ignore[misc]  # causes are CIDs
                    waiting += further - met
                    met |= further
                else:
                    yield plain(attribute)  # type: ignore[misc]  # an attribute is one

    def as_dict(self) -> dict[str, object]:
        """As data."""
        return {name: getattr(self, name) for name in ("number", "at_ms", "origin", "deltas", "facts")}

    def __str__(self) -> str:
        return f"epoch {self.number}  {show_ms(self.at_ms)}  {self.origin}: {self.deltas:,} deltas, {self.facts:,} new facts"


def watch(
    store: Store,
    newest: Callable[[], int],
    *,
    since: int | str | None,
    poll_s: float,
    timeout_s: float | None,
) -> Iterator[Arrived]:
    """Every epoch after `since` (an epoch or a cursor; None: the newest), as it comes; `newest` looks how many there are.

    Ends when the store is closed, or when nothing came for `timeout_s`.
    """
    check_pauses(poll_s, timeout_s)
    if isinstance(since, str):
        from rhizomedb.db.live.cursor import epoch_before

        since = epoch_before(store, since, newest())
    _check_since(since)
    reached = newest() if since is None else since
    if reached > newest():
        raise RequestError(
            "db.epoch",
            f"there is no epoch {reached} yet, the newest is {newest()}",
            fix=f"--since {newest()} (in Python: since={newest()})",
        )
    return _watch(store, newest, reached, poll_s, timeout_s)


def check_pauses(poll_s: float, timeout_s: float | None) -> None:
    """Refuse what is no number of seconds."""
    for name, value in (("poll_s", poll_s), ("timeout_s", timeout_s)):
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1e6):
            raise RequestError("db.usage", f"{name} is a number of seconds, not {value!r}", fix=f"{name}=0.05")


def _check_since(since: int | None) -> None:
    if since is not None and (type(since) is not int or since < 0):
        raise RequestError(
            "db.epoch",
            f"an epoch is a number of 0 or more, not {since!r}",
            fix="--since 0 for all (in Python: since=0)",
        )


def _watch(
    store: Store, newest: Callable[[], int], reached: int, poll_s: float, timeout_s: float | None
) -> Iterator[Arrived]:
    nap = poll_s / 10
    last = time.monotonic()
    while True:
        came = False
        try:
            for each in _arrived(store, reached, newest()):
                reached, came = each.number, True
                yield each
        except StoreError as error:
            if error.code == "store.closed":
                return
            raise
        now = time.monotonic()
        if came:
            last, nap = now, poll_s / 10
            continue
        if timeout_s is not None and now - last >= timeout_s:
            return
        left = poll_s if timeout_s is None else last + timeout_s - now
        time.sleep(max(0.0, min(nap, left)))
        nap = min(poll_s, nap * 2)


def _arrived(store: Store, reached: int, newest: int) -> Iterator[Arrived]:
    if newest <= reached:
        return
    before = store.totals(reached)
    for epoch in islice(store.epochs(reached), newest - reached):
        after = store.totals(epoch.number)
        deltas, facts = after[0] - before[0], after[1] - before[1]
        yield Arrived(epoch.number, epoch.at_ms, epoch.origin, deltas, facts, store)
        before = after

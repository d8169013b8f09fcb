"""Handing deltas on, to a file or another copy: each as its author signed it, and each the one that the index knows.

A signature does not say that a delta belongs where it stands: who can write to the file can put another, as well signed,
in its place. The index knows which one was there, unless it was made since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.store.store import Finding, Store


def sound_deltas(store: Store, lost: list[Finding] | None) -> Iterator[Delta]:
    """Every visible delta in the order of the log; those that are not what was written are `lost`, or an error."""
    index: Store | None = store
    for number, (_epoch, envelope) in enumerate(store.envelopes(), 1):
        try:
            if not envelope:
                raise StoreError("store.damaged", "it is not what was written")
            delta = Delta.decode(envelope)
        except Error as error:
            _note(store, number, error, lost)
            continue
        try:
            place = number if index is None else index.place(delta.id)
        except StoreError as error:
            if error.code not in ("store.damaged", "store.index-damaged"):
                raise
            index, place = None, number  # of a log that is damaged there may be none; what is sound is handed on
        if place == number:
            yield delta
        else:
            _note(store, number, StoreError("store.damaged", "another delta stands in its place"), lost)


def sound_among(store: Store, ids: Iterable[Cid], lost: list[Finding] | None) -> Iterator[Delta]:
    """Those of some deltas that are visible here, in the order of the log; the others of it are not looked at."""
    places = {store.place(id): id for id in ids}
    for number in sorted(places.keys() - {0}):
        try:
            delta = _of_its_place(store, places[number])
        except Error as error:
            if isinstance(error, StoreError) and error.code != "store.damaged":  # it is about the file, not this delta
                raise
            _note(store, number, error, lost)
        else:
            yield delta


def _of_its_place(store: Store, id: Cid) -> Delta:
    """The delta of an id, verified; what stands in its place says who it is itself."""
    envelope = store.envelope(id)
    assert envelope is not None, "what has a place in the log has an envelope"
    delta = Delta.decode(envelope)
    if delta.id != id:
        raise StoreError("store.damaged", "another delta stands in its place")
    return delta


def _note(store: Store, number: int, error: Error, lost: list[Finding] | None) -> None:
    if lost is None:
        raise StoreError(
            "store.damaged",
            f"delta {number} of {store.path} does not say what it said when it was written: {error.message}",
            fix=f"rhizome verify {store.path}",
        ) from None
    lost.append(Finding(f"delta {number}", error.code, error.message))

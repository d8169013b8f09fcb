"""Cursors: a short text that says up to where a log was followed, for whoever wants to go on there, later or elsewhere.

A log only grows, so a place in it is a number of deltas. The cursor names besides which delta is the last of them, so that
one of another file, or of what a file lost since, is told from one that fits. A copy of a file has its places too.
"""

from __future__ import annotations

import base64
import binascii
from itertools import islice
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Cut, Store

VERSION: Final = 1

_EPOCH_BYTES: Final = 6
_NUMBER_BYTES: Final = 6
_DIGEST_BYTES: Final = 16
_CHECK_BYTES: Final = 4
_LENGTH: Final = 1 + _EPOCH_BYTES + _NUMBER_BYTES + _DIGEST_BYTES + _CHECK_BYTES

_NOTHING: Final = bytes(_DIGEST_BYTES)
"""Stands for the last of no deltas."""

FIX: Final = "begin anew: --since 0 for all there is, or without it with what comes (in Python: after=0, or none)"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a log: after so many deltas, all of them in epochs up to this one; `delta` is the last of them if known."""

    epoch: int
    number: int
    delta: Cid | None = None


START: Final = Place(0, 0)


def cursor_of(store: Store, place: Place) -> str:
    """The cursor of a place."""
    delta = place.delta or _delta_at(store, place)
    digest = _NOTHING if delta is None else bytes(delta)[len(PREFIX) :][:_DIGEST_BYTES]
    parts = (
        VERSION.to_bytes(1, "big"),
        place.epoch.to_bytes(_EPOCH_BYTES, "big"),
        place.number.to_bytes(_NUMBER_BYTES, "big"),
        digest,
    )
    block = b"".join(parts)
    return base64.urlsafe_b64encode(block + _check(block)).decode().rstrip("=")


def place_of(store: Store, after: str | int, newest: int) -> Place:
    """The place that a cursor, or the number of an epoch, names in a store whose newest epoch is given.

    `db.cursor` for what is none, `db.cursor-ahead` for one beyond the newest epoch, `db.cursor-foreign` for one of another
    log.
    """
    if type(after) is int:
        if not 0 <= after <= newest:
            raise RequestError("db.epoch", f"there is no epoch {after}", fix=f"0 to {newest}")
        return end_of(store, after)
    epoch, number, digest = _parts(after)
    if epoch > newest:
        raise RequestError(
            "db.cursor-ahead",
            f"the cursor is of epoch {epoch}, and the newest here is {newest}: it is of another file, or this one is an "
            "older copy",
            fix=FIX,
        )
    place = Place(epoch, number, None)
    low = store.totals(epoch - 1)[0] if epoch else 0
    fits = low <= number <= store.totals(epoch)[0]
    delta = _delta_at(store, place) if fits else None
    if not fits or digest != (_NOTHING if delta is None else bytes(delta)[len(PREFIX) :][:_DIGEST_BYTES]):
        raise RequestError(
            "db.cursor-foreign", "the cursor is of another file: what it names is not in this log", fix=FIX
        )
    return Place(epoch, number, delta)


def end_of(store: Store, epoch: int) -> Place:
    """The place after all deltas of an epoch."""
    return Place(epoch, store.totals(epoch)[0] if epoch else 0)


def epoch_before(store: Store, cursor: str, newest: int) -> int:
    """The last epoch of which a cursor has everything."""
    place = place_of(store, cursor, newest)
    return place.epoch if place.number == end_of(store, place.epoch).number else place.epoch - 1


def named_end_of(store: Store, epoch: int) -> Place:
    """The same with its last delta, so that its cursor can be told in any thread."""
    place = end_of(store, epoch)
    return Place(place.epoch, place.number, _delta_at(store, place))


def _parts(text: object) -> tuple[int, int, bytes]:
    if not isinstance(text, str):
        raise RequestError("db.cursor", f"a cursor is a text, not {type(text).__name__}", fix=FIX)
    try:
        block = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        block = b""
    if len(block) != _LENGTH or _check(block[:-_CHECK_BYTES]) != block[-_CHECK_BYTES:] or block[0] != VERSION:
        raise RequestError("db.cursor", f"{text!r:.60} is no cursor, or not the whole of one", fix=FIX)
    epoch, rest = block[1 : 1 + _EPOCH_BYTES], block[1 + _EPOCH_BYTES :]
    number, rest = rest[:_NUMBER_BYTES], rest[_NUMBER_BYTES:]
    return int.from_bytes(epoch, "big"), int.from_bytes(number, "big"), rest[:_DIGEST_BYTES]


def _check(block: bytes) -> bytes:
    return binascii.crc32(block).to_bytes(_CHECK_BYTES, "big")


def _delta_at(store: Store, place: Place) -> Cid | None:
    """The last delta before a place; None where there is none."""
    if not place.number:
        return None
    if isinstance(store, SqliteStore):
        return store.edges(Cut()).delta(place.number)
    envelopes = (
        store.envelopes(place.epoch - 1) if place.number > store.totals(place.epoch - 1)[0] else store.envelopes()
    )
    passed = store.totals(place.epoch - 1)[0] if place.number > store.totals(place.epoch - 1)[0] else 0
    for _, envelope in islice(envelopes, place.number - passed - 1, None):
        return Delta.decode(envelope).id
    return None

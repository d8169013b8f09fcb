"""Admission: the one door through which deltas come in, wherever they come from.

A local write, an import, a peer, a restored copy: all hand over the bytes of envelopes, which are decoded and verified
here and nowhere else. What is admitted becomes visible together, in one epoch. Two kinds are *held back*, kept but not
visible: a delta whose clock runs more than `AHEAD_MS_MAX` ahead, until its time has come; and the deltas of a *group*,
until all of them are here. Old deltas are never refused for their age. What may wait of one author, or of one origin, has a
limit (`quota`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.store.quota import GATHERED_BYTES_MAX, Pending, over_quota
from rhizomedb.store.store import Held, Store
from rhizomedb.store.writing import write

BATCH_BYTES: Final = 1 << 20
"""How many bytes of envelopes are gathered before they are appended."""

AHEAD: Final = "its clock is ahead"
INCOMPLETE: Final = "its group is not complete"
"""Why a delta is held back."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An envelope that was not admitted, and why: its place among those handed over, None for one held back here."""

    place: int | None
    error: Error


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of what was handed over, counted in deltas.

    `new` are visible from now on, those released from being held back among them; `epoch` is theirs, if there are any.
    """

    new: int = 0
    known: int = 0
    held: int = 0
    epoch: int | None = None
    refused: tuple[Refusal, ...] = ()


def admit(
    store: Store,
    envelopes: Iterable[bytes | Delta],
    *,
    now_ms: int,
    origin: str,
    refuse: Literal["raise", "collect"] = "raise",
) -> Admission:
    """Take in deltas: all of them, or none and the first refusal raised; with `refuse="collect"`, all that pass.

    Joins the write that is open, or makes one of its own. A `Delta` was verified when it came to be, so it is not again.
    """

    def admit_all() -> Admission:
        door = _Door(store, now_ms, origin)
        refused: list[Refusal] = []
        for place, envelope in enumerate(envelopes):
            try:
                delta = envelope if isinstance(envelope, Delta) else Delta.decode(envelope)
            except Error as error:
                _raise_or_collect(Refusal(place, error), refuse, refused)
            else:
                over = door.take(delta, place)
                if over is not None:
                    _raise_or_collect(over, refuse, refused)
        shed, admission = door.close()
        for refusal in shed:
            _raise_or_collect(refusal, refuse, refused)
        if not refused:
            return admission
        refused.sort(key=lambda refusal: refusal.place or 0)
        return replace(admission, refused=(*refused, *admission.refused))

    return admit_all() if store.is_writing else write(store, admit_all)  # joins the write that is open


def _raise_or_collect(refusal: Refusal, refuse: Literal["raise", "collect"], refused: list[Refusal]) -> None:
    if refuse == "raise":
        raise refusal.error
    refused.append(refusal)


def release_due(store: Store, now_ms: int, wait_ms: int | None = None) -> Admission:
    """Make visible what was held back and need be no longer, each in an epoch of the origin that it came with.

    `wait_ms`: how long to wait for another writer, who may release it as well; `store.busy` after that.
    Costs next to nothing when nothing is due. What cannot be verified any more stays where it is and is `refused`.
    """
    due_ms = store.next_due()
    if due_ms is None or due_ms > now_ms:
        return Admission()

    def release_all() -> Admission:
        due = [held for held in store.held() if _is_due(held, now_ms)]
        new, epoch = 0, None
        refused: list[Refusal] = []
        for origin in dict.fromkeys(held.origin for held in due):
            door = _Door(store, now_ms, origin)
            for held in due:
                fault = door.release(held) if held.origin == origin else None
                refused += [fault] if fault else []
            _, admission = door.close()
            new, epoch = new + admission.new, admission.epoch or epoch
            refused += admission.refused
        return Admission(new=new, held=len(store.held()), epoch=epoch, refused=tuple(refused))

    return release_all() if store.is_writing else write(store, release_all, wait_ms)


def _is_due(held: Held, now_ms: int) -> bool:
    return held.due_ms is not None and held.due_ms <= now_ms


class _Over(NamedTuple):
    """A delta that is held back for now although that is too much."""

    place: int
    id: Cid
    author: bytes
    size: int


class _Door:
    """One admission under way, inside a write."""

    def __init__(self, store: Store, now_ms: int, origin: str) -> None:
        self._store = store
        self._now_ms = now_ms
        self._origin = origin
        self._new = self._known = self._held = 0
        self._epoch: int | None = None
        self._batch: list[Delta] = []
        self._batch_bytes = 0
        self._groups: dict[tuple[bytes, Group], int] = {}  # those to look at in the end, and how many of each came in
        self._counted: Pending | None = None
        self._over: list[_Over] = []
        self._over_bytes = 0

    def take(self, delta: Delta, place: int) -> Refusal | None:
        """Let a verified delta in, or hold it back, or refuse it where too much is held back already."""
        due_ms = delta.time.ms - AHEAD_MS_MAX
        if due_ms > self._now_ms:
            came = self._hold(delta, due_ms, AHEAD)
            refusal = self._refuse_if_over(delta, place, AHEAD) if came else None
            self._held += came and refusal is None
            return refusal
        if delta.group is not None and delta.group.size > 1:
            key = delta.author, delta.group
            came = self._hold(delta, None, INCOMPLETE)
            refusal = self._note_if_over(delta, place) if came else None
            self._groups[key] = self._groups.get(key, 0) + (came and refusal is None)
            return refusal
        self._append(delta)
        return None

    def _hold(self, delta: Delta, due_ms: int | None, reason: str) -> int:
        pending = self._pending
        fresh = self._store.hold(delta, self._now_ms, self._origin, due_ms, reason)
        self._known += not fresh
        if fresh:
            pending.add(delta, self._origin)
        return int(fresh)

    @property
    def _pending(self) -> Pending:
        """What is held back, counted when it is first asked."""
        if self._counted is None:
            self._counted = Pending(self._store.held_sizes())
        return self._counted

    def _refuse_if_over(self, delta: Delta, place: int, reason: str) -> Refusal | None:
        whose = self._pending.over(self._store.quota, delta.author, self._origin)
        if whose is None:
            return None
        self._store.release(delta.id)
        self._pending.remove(delta.author, self._origin, len(delta.encode()))
        return Refusal(place, over_quota(delta.id, whose, reason))

    def _note_if_over(self, delta: Delta, place: int) -> Refusal | None:
        """Remember what may have to go again; the rest of its group may be on its way, and then nothing has to wait."""
        if self._pending.over(self._store.quota, delta.author, self._origin) is None:
            return None
        size = len(delta.encode())
        if self._over_bytes + size > GATHERED_BYTES_MAX:
            return self._refuse_if_over(delta, place, INCOMPLETE)
        self._over_bytes += size
        self._over.append(_Over(place, delta.id, delta.author, size))
        return None

    def _shed(self) -> list[Refusal]:
        """Give up what came last of the groups that are incomplete still, until no more is held back than may be."""
        shed = []
        for over in reversed(self._over):
            whose = self._pending.over(self._store.quota, over.author, self._origin)
            if whose is not None and self._store.release(over.id) is not None:
                self._pending.remove(over.author, self._origin, over.size)
                self._held -= 1
                shed.append(Refusal(over.place, over_quota(over.id, whose, INCOMPLETE)))
        return shed[::-1]

    def release(self, held: Held) -> Refusal | None:
        """Let in a held delta whose time has come; one of a group then waits for its group."""
        try:
            delta = self._reverify(held)
        except Error as error:
            return Refusal(None, error)
        self._store.release(held.id)
        if delta.group is None:
            self._append(delta)
        else:
            self._store.hold(delta, held.arrived_ms, held.origin, None, INCOMPLETE)
            self._groups.setdefault((delta.author, delta.group), 0)
        return None

    def _reverify(self, held: Held) -> Delta:
        """The delta that is held back, through the same verification as when it came."""
        envelope = self._store.envelope(held.id)
        assert envelope is not None, "what is held has an envelope"
        try:
            delta = Delta.decode(envelope)
        except Error as error:
            raise StoreError("store.damaged", f"held delta {held.id}: {error.message}") from error
        if delta.id != held.id:
            raise StoreError("store.damaged", f"held delta {held.id}: its bytes are those of {delta.id}")
        return delta

    def _append(self, delta: Delta) -> None:
        self._batch.append(delta)
        self._batch_bytes += len(delta.encode())
        if self._batch_bytes >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if self._epoch is None:  # an epoch in which nothing becomes visible is none
            fresh = [delta for delta in batch if not self._store.has(delta.id)]
            self._known += len(batch) - len(fresh)
            if not fresh:
                return
            batch = fresh
            self._epoch = self._store.begin(self._now_ms, self._origin)
        new = self._store.append(batch, self._epoch)
        self._new += new
        self._known += len(batch) - new

    def close(self) -> tuple[list[Refusal], Admission]:
        """Let in the groups that are complete now, write what is left, and say what became of it all.

        What could not wait any longer comes apart from the rest.
        """
        faults = (
            [fault for key, came in self._groups.items() for fault in self._settle(*key, came)] if self._groups else []
        )
        shed = self._shed() if self._over else []
        self._flush()
        return shed, Admission(self._new, self._known, self._held, self._epoch, tuple(faults))

    def _settle(self, author: bytes, group: Group, came: int) -> list[Refusal]:
        visible, held = self._store.members(author, group)
        complete = visible + len(held) >= group.size
        if not complete or any(each.due_ms is not None and each.due_ms > self._now_ms for each in held):
            self._held += came
            return []
        try:
            for each in held:  # all of them first, so that no part of a group is let in without the rest
                self._reverify(each)
        except Error as error:
            self._held += came
            return [Refusal(None, error)]
        pending = self._pending
        for each in held:
            delta = self._reverify(each)
            self._store.release(each.id)
            pending.remove(each.author, each.origin, len(delta.encode()))
            self._append(delta)
        return []

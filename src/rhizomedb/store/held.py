"""The table of what is held back: verified deltas that wait for their time, or for the rest of their group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.store.file import File
from rhizomedb.store.layout import FORMAT, HELD, HELD_1, pack, seal, unpack
from rhizomedb.store.store import Held

_SIZES: Final = "SELECT author, origin, count(*), sum(length(envelope)) FROM held GROUP BY author, origin"
_TYPES: Final = (bytes, bytes, int, str, int | None, str, bytes | None, int | None, bytes)


class HeldTable:
    """What a file holds back."""

    def __init__(self, file: File) -> None:
        self._file = file

    def all(self) -> list[Held]:
        """All of them, soonest first; those that wait for no time last."""
        return self._read("ORDER BY due_ms IS NULL, due_ms, row")

    def of_group(self, author: bytes, group: Group) -> list[Held]:
        """Those of an author's group, in the order in which they came."""
        which = "WHERE author = ? AND group_id = ? AND group_size = ? ORDER BY row"
        return self._read(which, (author, group.id, group.size))

    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._file.run("SELECT 1 FROM held LIMIT 1")

    def has(self, packed: bytes) -> bool:
        """Whether a delta is held back."""
        return bool(self._file.run("SELECT 1 FROM held WHERE id = ?", (packed,)))

    def next_due(self) -> int | None:
        """When the first is due, in milliseconds; None if none waits for its time."""
        ((due_ms,),) = self._file.typed((int | None,), "SELECT min(due_ms) FROM held")
        return due_ms  # type: ignore[no-any-return]  # `typed` looked

    def sizes(self) -> list[tuple[bytes, str, int, int]]:
        """How many there are of which author and origin, and their bytes."""
        return self._file.typed((bytes, str, int, int), _SIZES)

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of one, or None."""
        rows = self._file.typed((bytes,), "SELECT envelope FROM held WHERE id = ?", (pack(delta),))
        return rows[0][0] if rows else None

    def add(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> None:
        """Hold back a verified delta that is not known; inside a write."""
        group = (delta.group.id, delta.group.size) if delta.group else (None, None)
        row = (pack(delta.id), delta.author, arrived_ms, origin, due_ms, reason, *group)
        self._file.run(f"INSERT INTO held({HELD}, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       (*row, seal(*row), delta.encode()))  # fmt: skip

    def take(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take one out; gives its bytes and origin, or None. Inside a write."""
        rows = self._file.typed((bytes, str), "SELECT envelope, origin FROM held WHERE id = ?", (pack(delta),))
        if not rows:
            return None
        self.remove([delta])
        envelope, origin = rows[0]
        return envelope, origin

    def remove(self, deltas: Sequence[Cid]) -> None:
        """Hold back no longer what may be among them; inside a write."""
        self._file.run_many("DELETE FROM held WHERE id = ?", [(pack(delta),) for delta in deltas])

    def _read(self, which: str, bindings: Sequence[Any] = ()) -> list[Held]:
        columns, types = (HELD, _TYPES) if self._file.format == FORMAT else (HELD_1, _TYPES[:-1])
        found = []
        for row in self._file.typed(types, f"SELECT {columns} FROM held {which}", bindings):
            if len(row) == len(_TYPES) and seal(*row[:-1]) != row[-1]:
                raise self._file.damaged(f"what is kept of held delta {row[0].hex()} was altered")
            packed, author, arrived_ms, origin, due_ms, reason, group_id, group_size = row[:8]
            group = None if group_id is None or group_size is None else Group(group_id, group_size)
            found.append(Held(unpack(packed), author, arrived_ms, origin, due_ms, reason, group))
        return found

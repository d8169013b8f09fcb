"""Quotas: how much may wait here without being visible, and how much a file may take on the disk.

What is held back comes from whoever sends it, and nobody sees it; so each author, and each origin, may have only so
much of it waiting. What goes beyond is refused with `store.quota` and nothing else is lost.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rhizomedb.facts.cid import Cid
    from rhizomedb.facts.delta import Delta

HELD_DELTAS_MAX: Final = 10_000
HELD_BYTES_MAX: Final = 32 << 20
"""How much may be held back of one author, and of what came by one origin."""

GATHERED_BYTES_MAX: Final = 1 << 30
"""How much of groups that are not complete yet may be gathered in one write beyond what may be held back."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The most deltas, and bytes of them, that may be held back of one author or origin; the most that the file and its
    index may take; and the most memory that a write may take (`room`). `None` means no limit.
    """

    held_deltas: int | None = HELD_DELTAS_MAX
    held_bytes: int | None = HELD_BYTES_MAX
    bytes: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and (type(limit) is not int or limit < 0):
                raise RequestError(
                    "db.usage", f"a limit is a number of 0 or more, not {limit!r}", fix="10_000, 32 << 20, or None"
                )

    def admits(self, deltas: int, size: int) -> bool:
        """Whether so many deltas of so many bytes may be held back."""
        return (self.held_deltas is None or deltas <= self.held_deltas) and (
            self.held_bytes is None or size <= self.held_bytes
        )

    def check_size(self, size: int, before: int, path: str) -> None:
        """Refuse a write that makes a database larger than it may be."""
        if self.bytes is not None and size > self.bytes and size > before:
            raise StoreError(
                "store.quota",
                f"{path} may have {self.bytes:,} bytes and would have {size:,}; nothing of this write was kept",
                fix="a greater limit: RHIZOME_BYTES_MAX=64G (in Python: open(…, bytes_max=64 << 30))",
            )


USUAL: Final = Quota()
"""The quotas where nobody says otherwise."""


class Pending:
    """What is held back in a store, counted by author and by origin as deltas come and go."""

    def __init__(self, rows: Iterable[tuple[bytes, str, int, int]]) -> None:
        self._sums: dict[bytes | str, list[int]] = {}
        for author, origin, deltas, size in rows:
            self._count(author, origin, deltas, size)

    def _count(self, author: bytes, origin: str, deltas: int, size: int) -> None:
        for key in (author, origin):
            sums = self._sums.setdefault(key, [0, 0])
            sums[0] += deltas
            sums[1] += size

    def add(self, delta: Delta, origin: str) -> None:
        """One more is held back."""
        self._count(delta.author, origin, 1, len(delta.encode()))

    def remove(self, author: bytes, origin: str, size: int) -> None:
        """One is held back no more."""
        self._count(author, origin, -1, -size)

    def over(self, quota: Quota, author: bytes, origin: str) -> str | None:
        """Whose share is used up, in words, or None."""
        for key, who in ((author, f"author {author.hex()[:16]}…"), (origin, f"origin {origin!r}")):
            deltas, size = self._sums.get(key, (0, 0))
            if not quota.admits(deltas, size):
                return f"of {who} {quota_text(quota)} may be held back"
        return None


def quota_text(quota: Quota) -> str:
    """How much may be held back, in words."""
    deltas = [] if quota.held_deltas is None else [f"{quota.held_deltas:,} deltas"]
    size = [] if quota.held_bytes is None else [f"{quota.held_bytes:,} bytes"]
    return " or ".join([*deltas, *size])


def over_quota(delta: Cid, whose: str, reason: str) -> StoreError:
    """The error for a delta that may not be held back."""
    return StoreError(
        "store.quota",
        f"delta {delta} is not kept: {reason}, and {whose}",
        fix="take in what it waits for first, or a greater limit: RHIZOME_HELD_DELTAS_MAX and RHIZOME_HELD_BYTES_MAX"
        " (in Python: open(…, held_deltas_max=…, held_bytes_max=…))",
    )

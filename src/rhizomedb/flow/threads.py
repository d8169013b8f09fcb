"""Threads: which calls of a kernel are large enough to be split.

A call that is split gives the rows that one thread gives, in the same order; so this is a question of time alone.
"""

from __future__ import annotations

from typing import Final

INTERSECTED_MIN: Final = 1 << 12
"""How many rows of an intersection are worth a thread: with fewer it begins later than the others are done."""


def for_intersection(threads: int, rows: int) -> int:
    """How many threads of `threads` an intersection of so many rows uses."""
    return max(1, min(threads, rows // INTERSECTED_MIN))

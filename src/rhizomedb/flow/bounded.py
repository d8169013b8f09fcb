"""Long work in bounded pieces: whoever asked for it is asked in between whether it goes on, and Ctrl-C is heard.

What asks is a *check*, mostly `Meter.check`: a function that raises what ends the work.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

Check: TypeAlias = Callable[[], None]
"""Raises what ends the work under way."""

EVERY: Final = 1 << 16
"""How many items are worked on between two checks."""

SAMPLES: Final = 32
"""How many of the items that each part of a sort is thought to have are looked at to say where it ends."""

Item = TypeVar("Item")


def watched(items: Iterable[Item], check: Check | None) -> Iterator[Item]:
    """The items, with a check after every so many."""
    for number, item in enumerate(items, 1):
        yield item
        if check is not None and number % EVERY == 0:
            check()


def pieces(items: Sequence[Item], check: Check | None = None) -> Iterator[Sequence[Item]]:
    """The items in runs of so many at most, with a check after each."""
    for first in range(0, len(items), EVERY):
        yield items[first : first + EVERY]
        if check is not None:
            check()


def in_order(keys: Sequence[Any], check: Check | None = None, *, reverse: bool = False) -> list[int]:
    """The places of some keys, different ones, in the order of the keys.

    One sort is a single call, which nothing interrupts; so many keys are first parted, by some of them, into parts that
    follow one another, and these are sorted one by one.
    """
    count = len(keys) // EVERY + 1
    if count == 1:
        return sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
    step = EVERY // SAMPLES
    sample = sorted(keys[place] for place in range(0, len(keys), step))
    bounds = [sample[number * len(sample) // count] for number in range(1, count)]
    parts: list[list[int]] = [[] for _ in range(count)]
    for place, key in enumerate(watched(keys, check)):
        parts[bisect_right(bounds, key)].append(place)
    ordered: list[int] = []
    for part in reversed(parts) if reverse else parts:
        ordered += sorted(part, key=keys.__getitem__, reverse=reverse)
        if check is not None:
            check()
    return ordered

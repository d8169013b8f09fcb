"""The hybrid logical clock: claimed time that never runs backwards at one writer (Kulkarni et al., 2014).

A time is wall-clock milliseconds since 1970 and a counter that orders what happens within one millisecond or while
the wall clock stands still. Nothing here reads a clock: the wall time comes in as an argument.
"""

from __future__ import annotations

from typing import Final

from rhizomedb._record import dataclass

MS_MAX: Final = 2**48 - 1
COUNTER_MAX: Final = 2**16 - 1

AHEAD_MS_MAX: Final = 5 * 60 * 1000
"""How far ahead of the local clock a claimed time may run before its delta is held back."""


@dataclass(frozen=True, slots=True, order=True)
class HybridTime:
    """Claimed time: wall-clock milliseconds, then a counter."""

    ms: int
    counter: int = 0

    def __str__(self) -> str:
        return f"{self.ms}.{self.counter}"


ZERO: Final = HybridTime(0, 0)


def tick(last: HybridTime, now_ms: int) -> HybridTime:
    """The time of the next thing said: after `last`, and not before the wall clock."""
    now_ms = min(max(now_ms, 0), MS_MAX)
    if now_ms > last.ms:
        return HybridTime(now_ms)
    if last.counter < COUNTER_MAX:
        return HybridTime(last.ms, last.counter + 1)
    return HybridTime(min(last.ms + 1, MS_MAX))

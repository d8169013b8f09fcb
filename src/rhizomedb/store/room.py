"""Room: how much memory a write may take, and what is made smaller so that it has enough.

A write of any size takes up to `USUAL_BYTES` of the process's own memory: for what is gathered before a segment is built
of it, for segments that are merged, for pages of SQLite. Less room makes each of these smaller in the same measure, and so
more and smaller segments and a slower write, which say the same. Pages of files that are mapped are not counted: the system
takes them back when it needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rhizomedb.errors import BudgetExceeded

USUAL_BYTES: Final = 512 << 20
BASE_BYTES: Final = 56 << 20
"""What Python and the package take, whatever they work at."""

AIM: Final = 0.75
"""What is planned for, of what a lower limit allows: what an import takes is known to about a quarter."""

LEAST_BYTES: Final = 96 << 20
"""With less, one delta and the pages around it would be most of it."""

Item = TypeVar("Item")


def share(limit: int | None) -> float:
    """How much of its usual room everything has; `budget.memory` where the limit is too low for any write."""
    if limit is None or limit >= USUAL_BYTES:
        return 1.0
    if limit < LEAST_BYTES:
        raise too_little(
            f"a write needs {mebibytes(LEAST_BYTES)} of memory, and may have {mebibytes(limit)}", LEAST_BYTES
        )
    return (AIM * limit - BASE_BYTES) / (USUAL_BYTES - BASE_BYTES)


def too_little(message: str, enough: int) -> BudgetExceeded:
    """The error for a limit that cannot be kept, and what would be enough."""
    mib = -(-enough >> 20)
    return BudgetExceeded(
        "budget.memory", message, fix=f"--memory {mib}M (in Python: open(…, memory_bytes_max={mib} << 20))"
    )


def mebibytes(size: int) -> str:
    """A size in the unit of limits."""
    return f"{size / (1 << 20):,.0f} MiB"


def held_bytes() -> int | None:
    """The memory that is this process's own; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def watched(items: Iterable[Item], limit: int | None, every: int = 1) -> Iterator[Item]:
    """The items, as long as this process keeps within a limit; what it held before beyond `BASE_BYTES` is not counted."""
    before = max(0, (held_bytes() or 0) - BASE_BYTES)
    for number, item in enumerate(items):
        held = (held_bytes() or 0) - before if limit is not None and number % every == 0 else 0
        if limit is not None and held > limit:
            message = (
                f"the write holds {mebibytes(held)} of memory, and may hold {mebibytes(limit)}; nothing of it was kept"
            )
            raise too_little(message, max(USUAL_BYTES, 2 * held))
        yield item

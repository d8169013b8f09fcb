"""A sum over a set of tuples that does not depend on their order, and that every engine can compute.

Each tuple counts for the cube of a weighted sum of its numbers, modulo two primes. The cube ties the columns together, so
that tuples with exchanged parts are told apart. Every number on the way is below 2**63, and the sum of ten million tuples
below 2**53: it is exact where an engine adds in floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PRIME, SMALLER_PRIME = 2_147_483_647, 1_048_573

WEIGHTS = (1_103_515_245, 741_103_597, 1_597_334_677, 1_812_433_253)

TUPLES = 1 << 20
"""So many tuples at a time: what is summed up must not need the memory that is measured."""


def of_columns(columns: Sequence[Any]) -> int:
    """The sum over columns that are arrays of numpy."""
    import numpy as np

    total = 0
    for start in range(0, len(columns[0]), TUPLES):
        weighted = np.ones(len(columns[0][start : start + TUPLES]), np.int64)
        for weight, column in zip(WEIGHTS, columns, strict=False):
            weighted += weight * (column[start : start + TUPLES].astype(np.int64) + 1) % PRIME
        weighted %= PRIME
        total += int((weighted * weighted % PRIME * weighted % PRIME % SMALLER_PRIME).sum())
    return total


def of_rows(rows: Sequence[Sequence[int]]) -> int:
    """The sum over tuples."""
    import numpy as np

    return of_columns(list(np.array(rows, np.int64).T)) if rows else 0


def weighted_sum(columns: Sequence[str]) -> str:
    """The weighted sum as an expression over names of columns, in SQL and in the other languages that write it so."""
    # Every operation has its brackets: not all languages agree on which comes first.
    parts = (f"(({weight} * ({column} + 1)) % {PRIME})" for weight, column in zip(WEIGHTS, columns, strict=False))
    return f"(1 + {' + '.join(parts)}) % {PRIME}"


def cube(name: str) -> str:
    """What a tuple counts for, as an expression over the name of its weighted sum."""
    return f"(((({name} * {name}) % {PRIME}) * {name}) % {PRIME}) % {SMALLER_PRIME}"

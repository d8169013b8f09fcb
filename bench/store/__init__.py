"""Store: facts by the hundred thousand, the million and ten million, at the store itself, beside three other engines.

The peers keep numbers in trees or columns. Ours keeps what was said in signed deltas under their hashes, with causes
and who said it, and checks the sums of what it reads: more work for more, so what it costs can be seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.report import Section


def run(folder: Path, *, quick: bool, facts: Sequence[int] | None = None) -> Section:
    """Measure every size, or those that are given."""
    # Every part of this room imports the package, and what some of them measure is how little a process holds.
    from bench.store import section

    return section.run(folder, quick=quick, given=facts)

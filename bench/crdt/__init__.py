"""Crdt: real documents edited through texts, and sets, counters and maps merged, beside Yrs (pycrdt) and Loro in the same run.

The peers keep one document in memory. Ours keeps what was said in signed deltas on the disk, with everything that a
database does beside; so what that costs a keystroke can be seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report import Section


def run(folder: Path, *, quick: bool) -> Section:
    """Measure everything."""
    # Every part of this room imports the package, and what a process holds is measured.
    from bench.crdt import section

    return section.run(folder, quick=quick)

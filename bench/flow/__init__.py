"""Flow: programs evaluated and kept up to date, beside DuckDB, Cozo, SWI-Prolog, Soufflé and FlowLog in the same run.

The peers evaluate over numbers in tables. `ours` is the one module that touches our engine; every peer has its own words for
each program, in the quickest form that was found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report import Section


def run(folder: Path, *, quick: bool) -> Section:
    """Measure everything."""
    # Every part of this room imports the package, and what a process holds is measured.
    from bench.flow import section

    return section.run(folder, quick=quick)

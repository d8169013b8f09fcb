"""Inputs as files of arrays, so that every engine's process reads the same and none has to generate it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import Watch

if TYPE_CHECKING:
    from bench.flow.graphs import Relations

NAMES = "relations.json"


def prepare(watch: Watch, workload: str, size: str, inputs: str) -> int:
    """Generate and write an input; how many tuples it has."""
    from bench.flow.workloads import WORKLOADS

    return write(WORKLOADS[workload].relations(size), Path(inputs))


def write(relations: Relations, folder: Path) -> int:
    """Write relations into a new folder; how many tuples they have."""
    import numpy as np

    folder.mkdir(parents=True)
    for name, (_, columns) in relations.items():
        np.save(folder / f"{name}.npy", np.stack(columns))
    (folder / NAMES).write_text(json.dumps({name: names for name, (names, _) in relations.items()}))
    return sum(len(columns[0]) for _, columns in relations.values())


def read(folder: Path) -> Relations:
    """The relations of a folder."""
    import numpy as np

    names = json.loads((folder / NAMES).read_text())
    return {name: (tuple(columns), list(np.load(folder / f"{name}.npy"))) for name, columns in names.items()}

"""An engine inside this process evaluates one workload, and says how many tuples each answer has."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from bench.child import Watch
from bench.flow.inputs import read
from bench.flow.workloads import WORKLOADS

LOAD, EVALUATE, AGAIN = "load", "evaluate", "again"

WARM_SECONDS = 1.0
"""What took longer when it was warm is not asked yet another time."""

Answer = list[list[int]]
"""How many tuples each answer has and, where they were asked for, the checksums."""


def evaluate(
    watch: Watch, engine: str, workload: str, inputs: str, *, checked: bool = False, variant: str = ""
) -> Answer:
    """Load and evaluate. A checked run sums its answers up, which takes time and memory that no other run should."""
    asked = WORKLOADS[workload]
    module = import_module(f"bench.flow.{engine}")
    relations = read(Path(inputs))
    with watch(LOAD):
        loaded = module.load(relations, variant) if variant else module.load(relations)
    with watch(EVALUATE):
        counts = loaded.run(asked.program, asked.answers)
    if checked:
        return [counts, loaded.checksums(asked.answers)]
    for _ in range(asked.again):
        with watch(AGAIN):
            repeated = loaded.run(asked.program, asked.answers)
        assert repeated == counts, "the same question has the same answer"
        if watch.times[AGAIN][-1][0] > WARM_SECONDS:
            break
    return [counts]

"""What runs in a fresh process: one part of a benchmark, which times itself and says what it found.

`python -m bench.child bench.get.ours get '{"path": ...}'` calls the function with a `Watch` and these options, and
prints its times and its answer as one JSON object.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Watch:
    """Times named stretches of a part: wall seconds, and the CPU seconds (user and system) of this process."""

    def __init__(self) -> None:
        self.times: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what happens inside; the same name again is another time."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        laps = self.times.setdefault(name, [])
        laps.append((time.perf_counter() - wall, time.process_time() - cpu))


def main(module: str, function: str, options: str) -> None:
    """Run a part and print what it measured."""
    watch = Watch()
    answer = getattr(importlib.import_module(module), function)(watch, **json.loads(options))
    json.dump({"times": watch.times, "answer": answer}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

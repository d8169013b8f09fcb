"""Ctrl-C is heard while a kernel works: within 200 ms, says the specification; a busy machine is given more."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from long_work import WORK, edges_of
from test_engine_failures import Counting

from rhizomedb._native import backend
from rhizomedb.flow.graph import Closure, Groups, components, first_reached
from rhizomedb.flow.relation import Batch

EDGES = {"rust": 3_000_000, "python": 150_000}
LOOKS_AT = {"rust": 600_000, "python": 150_000}
SECONDS_MAX = 2.0


def heard_after(work: str, edges: int, seconds: float) -> float:
    """How long after an interruption a process that is at some work hears of it."""
    command = [sys.executable, str(Path(__file__).with_name("long_work.py")), work, str(edges)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(seconds)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return float(said) - sent


@pytest.mark.parametrize("work", WORK)
def test_an_interruption_is_heard(work):
    seconds = random.Random(work).uniform(0.05, 0.5)
    assert heard_after(work, EDGES[backend()], seconds) < SECONDS_MAX


def stops_at_a_look(call):
    """Whether it is the first look that ends the work, one on the way or the last; how many there are."""
    whole = Counting()
    call(whole.check)
    for place in {1, whole.calls // 2, whole.calls} - {0}:
        meter = Counting(place)
        with pytest.raises(KeyboardInterrupt):
            call(meter.check)
        assert meter.calls == place
    return whole.calls


CALLS = {
    "components": lambda edges, check: components(edges, None, check),
    "first_reached": lambda edges, check: first_reached(edges, None, check),
    "Closure": lambda edges, check: Closure(edges, None, check),
    "Groups": lambda edges, check: Groups(edges, [0, 1], check),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("spread", [0, 24], ids=["near", "far"])
def test_a_kernel_looks_up_at_intervals(name, spread):
    """Ids that lie near each other are numbered otherwise than those that do not."""
    columns = edges_of(LOOKS_AT[backend()], random.Random(1))
    if spread:
        columns = [column[1:] + column[:1] for column in columns]
    edges = Batch.of(columns)
    assert stops_at_a_look(lambda check: CALLS[name](edges, check)) >= 2

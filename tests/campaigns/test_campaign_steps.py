"""Ctrl-C between any two steps of a connection that goes on being used."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
import steps

# A file that was opened just then is closed when it is forgotten.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_interrupted_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = steps.run(tmp_path, 0, 200, seconds=12)
    with capsys.disabled():
        print(f"\nsteps: {tally}")
    assert tally.interrupted >= len(steps.OWN)


@pytest.mark.parametrize("bug", planted.STEPS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        steps.run(tmp_path, 0, 200, bug, seconds=12)

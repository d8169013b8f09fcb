"""Interrupted imports that run again end in the same state."""

from __future__ import annotations

from pathlib import Path

import interrupts
import planted
import pytest


def test_interrupted_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = interrupts.run(tmp_path / "imports", 0, 90)
    with capsys.disabled():
        print(f"\nimports: {tally}")
    assert set(tally.ways) == set(interrupts.WAYS) and tally.kept


@pytest.mark.parametrize("bug", planted.INTERRUPTS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        interrupts.run(tmp_path / "imports", 0, 90, bug)

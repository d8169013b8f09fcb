"""Altered files: our own errors, or right answers, or damage that `verify` names; in bounded time."""

from __future__ import annotations

from pathlib import Path

import mutants
import planted
import pytest


@pytest.mark.parametrize("seed", [0, 1])
def test_altered_files(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = mutants.run(tmp_path / "mutants", seed, 1_000)
    with capsys.disabled():
        print(f"\nmutants: {tally}")
    assert tally.outcomes["as if nothing were"] and tally.outcomes["some answers refused"]


@pytest.mark.parametrize("bug", planted.MUTANTS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        mutants.run(tmp_path / "mutants", 0, 200, bug, seconds=3)

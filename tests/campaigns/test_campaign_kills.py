"""Killed at any moment: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

from pathlib import Path

import kills
import planted
import pytest

KILLS = 152


@pytest.mark.parametrize("seed", [0, 100_000])
def test_killed_writers(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = kills.run(tmp_path / "kills", seed, KILLS)
    with capsys.disabled():
        print(f"\nkills: {tally}")
    assert tally.kills >= KILLS and tally.acknowledged > tally.kills, "most lives acknowledge something"


@pytest.mark.parametrize("bug", planted.KILLS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        kills.run(tmp_path / "kills", 0, KILLS, bug)

"""A disk that fails at one call: an error of ours or success, and afterwards all that was acknowledged."""

from __future__ import annotations

from pathlib import Path

import faults
import planted
import pytest

CAUGHT_BY: dict[planted.Bug, faults.Fault] = {
    planted.nothing_waits_for_the_disk: "power",
    planted.failed_write_is_remembered: "eio",
    planted.failed_commit_is_none: "eio",
}


@pytest.mark.parametrize("script", faults.SCRIPTS)
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_every_call(tmp_path: Path, script: str, fault: faults.Fault, capsys: pytest.CaptureFixture[str]) -> None:
    grid = faults.Grid(tmp_path / "grid", script)
    tally = grid.run(fault)
    with capsys.disabled():
        print(f"\nfaults: {fault}, script {script!r}: {tally}")
    assert tally.runs.total() > 0, "the fault can strike somewhere"


@pytest.mark.parametrize("bug", planted.FAULTS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    grid = faults.Grid(tmp_path / "grid", "write", bug=bug)
    with planted.caught(bug):
        grid.run(CAUGHT_BY[bug])


def test_segments_that_are_lost_or_late(tmp_path: Path) -> None:
    faults.lose_a_segment(tmp_path / "lost")
    faults.miss_a_segment(tmp_path / "missed")


def test_verify_makes_a_lost_segment_again_in_its_place(tmp_path: Path) -> None:
    """What is lost of an index is no damage, wherever in it."""
    faults.lose_one_in_the_middle(tmp_path / "lost")


@pytest.mark.parametrize("bug", planted.SEGMENTS, ids=lambda bug: bug.__name__)
def test_planted_bugs_of_segments_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        faults.lose_a_segment(tmp_path / "lost", bug)
        faults.miss_a_segment(tmp_path / "missed", bug)

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
    planted.lost_segments_stay_in_the_catalogue: "eio",
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
    with planted.caught():
        grid.run(CAUGHT_BY[bug])

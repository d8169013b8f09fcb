"""Many processes on one file: no lost update, no gap, no long wait."""

from __future__ import annotations

from pathlib import Path

import crowd
import planted
import pytest


def test_four_writers_and_a_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = crowd.write_and_read(tmp_path, writers=4, transactions=500)
    with capsys.disabled():
        print(f"\ncrowd: {tally}")
    assert tally.acknowledged == 4 * 550 and tally.conflicts and tally.reads


def test_two_make_one_file(tmp_path: Path) -> None:
    assert crowd.make_at_once(tmp_path, rounds=100) == 100


@pytest.mark.parametrize("bug", planted.CROWD, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(tmp_path: Path, bug: planted.Bug) -> None:
    with planted.caught(bug):
        crowd.write_and_read(tmp_path, writers=4, transactions=100, bug=bug)

"""The long runs: `make soak-store`. Goes on where it was stopped, and ends with one line for each campaign.

python tests/campaigns/soak.py [--folder FOLDER] [--kills 10000] [--mutants 100000] [--imports 2000] [--rounds 10]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import crowd
import faults
import interrupts
import kills
import mutants

KILLS_AT_ONCE = 500
MUTANTS_AT_ONCE = 2_000
IMPORTS_AT_ONCE = 200


class Progress:
    """How far each campaign is, in a file that outlives the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, campaign: str, **counts: int) -> dict[str, int]:
        """Count something as done, at once durably."""
        so_far: dict[str, int] = self.done.setdefault(campaign, {})
        for name, count in counts.items():
            so_far[name] = so_far.get(name, 0) + count
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self.done, indent=1, sort_keys=True))
        os.replace(draft, self._path)
        return so_far

    def of(self, campaign: str, name: str) -> int:
        """How much of something is done."""
        return int(self.done.get(campaign, {}).get(name, 0))


def main() -> None:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "rhizomedb-soak")
    for name, default in (("kills", 10_000), ("mutants", 100_000), ("imports", 2_000), ("rounds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("RHIZOME_HOME", str(options.folder / "home"))
    progress = Progress(options.folder / "progress.json")
    work = options.folder / "work"

    while (done := progress.of("kills", "kills")) < options.kills:
        tally = kills.run(_fresh(work), done, min(KILLS_AT_ONCE, options.kills - done))
        _say(
            "kills",
            progress.add("kills", kills=tally.kills, acknowledged=tally.acknowledged, seconds=int(tally.seconds)),
        )
    for seed in range(options.rounds):
        for script in faults.SCRIPTS:
            if not progress.of("faults", f"{script} {seed}"):
                grid = faults.Grid(_fresh(work), script, seed)
                for fault in faults.FAULTS:
                    grid.run(fault)
                _say("faults", progress.add("faults", **{f"{script} {seed}": 1, "faults": grid.tally.runs.total()}))
    while (done := progress.of("mutants", "files")) < options.mutants:
        altered = mutants.run(_fresh(work), done, min(MUTANTS_AT_ONCE, options.mutants - done))
        _say("mutants", progress.add("mutants", files=altered.outcomes.total(), **altered.outcomes))
    while (done := progress.of("imports", "interrupted")) < options.imports:
        imports = interrupts.run(_fresh(work), done, min(IMPORTS_AT_ONCE, options.imports - done))
        _say("imports", progress.add("imports", interrupted=imports.interrupted, after_the_end=imports.kept))
    while (done := progress.of("crowd", "rounds")) < options.rounds:
        folder = _fresh(work)
        folder.mkdir()
        crowded = crowd.write_and_read(folder, writers=4, transactions=2_500)
        _say("crowd", progress.add("crowd", rounds=1, acknowledged=crowded.acknowledged, lost_races=crowded.conflicts))
    shutil.rmtree(work, ignore_errors=True)
    for campaign, counts in progress.done.items():
        print(f"{campaign}: {', '.join(f'{count:,} {name}' for name, count in sorted(counts.items()))}, 0 lost")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _say(campaign: str, counts: dict[str, int]) -> None:
    print(campaign, counts, flush=True)


if __name__ == "__main__":
    main()

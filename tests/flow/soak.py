"""The long run of the laws: `make soak-flow`. Goes on where it was stopped, and prints the seed of what fails.

python tests/flow/soak.py [--folder FOLDER] [--pairs 100000] [--seed SEED]

A seed draws some programs with histories, and takes each through every way that there is: all switches, circuits, and the
plans with all rewrites and with each one left out. `--seed` runs one seed again and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from flow_helpers import histories
from flow_laws import REWRITE_NAMES, check, plan_of, questions
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rhizomedb._native import backend
from rhizomedb.testing.strategies import programs

AT_ONCE = 50
"""How many programs one seed draws."""


def run(number: int) -> int:
    """All laws for what one seed draws; how many times a program went through a history."""
    pairs = 0

    @seed(number)
    @settings(
        max_examples=AT_ONCE,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), programs(rules_max=8), histories(epochs_max=10, rows_max=10))
    def laws(data, program, history):
        nonlocal pairs
        pairs += check(program, data.draw(questions(plan_of(program))), [None, *REWRITE_NAMES], history)

    laws()
    return pairs


def main() -> int:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "rhizomedb-soak-flow")
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if options.seed is not None:
        print(f"seed {options.seed}: {run(options.seed):,} program-history pairs, nothing found")
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"progress-{backend()}.json"
    done = json.loads(path.read_text()) if path.exists() else {"seeds": 0, "pairs": 0}
    while done["pairs"] < options.pairs:
        number = done["seeds"]
        try:
            pairs = run(number)
        except Exception:
            print(f"seed {number} finds something: python tests/flow/soak.py --seed {number}", file=sys.stderr)
            raise
        done = {"seeds": number + 1, "pairs": done["pairs"] + pairs}
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(done))
        os.replace(draft, path)
        print(f"seed {number}: {done['pairs']:,} program-history pairs ({backend()})", flush=True)
    print(f"{done['pairs']:,} program-history pairs, nothing found")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

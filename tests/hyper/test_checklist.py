"""Every behavioural case of the RhizomeDB specification, H1 to H57, has a test that is called or marked by it."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent

CASE = re.compile(r"\bH(\d{1,2})\b|(?<=_)h(\d{1,2})(?=_)")

RANGE = re.compile(r"H\d+ to H\d+")
"""What the head of a file says that it is about is no test."""


def test_every_case_has_a_test():
    found = set()
    for path in (*TESTS.glob("hyper/test_*.py"), TESTS / "db" / "test_subscriptions.py"):
        if path != Path(__file__):
            found |= {int(a or b) for a, b in CASE.findall(RANGE.sub("", path.read_text()))}
    assert sorted(set(range(1, 58)) - found) == []

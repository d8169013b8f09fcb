"""A plan that ran is shown with what was expected, what came and how long it took, for every operator."""

import re

import pytest

from rhizomedb.db.connection import connect

PROGRAM = """
link(a: A, b: B) :- stands(entity: A, attribute: "to", value: B).
copy(a: A, b: B) :- link(a: A, b: B).
reach(a: A, b: B) :- copy(a: A, b: B).
reach(a: A, b: C) :- reach(a: A, b: B), copy(a: B, b: C).
heavy(a: A, w: W) :- fact(entity: A, attribute: "w", value: W), W > 10, !link(a: A, b: A).
three(a: A, b: B, c: C) :- link(a: A, b: B), link(a: B, b: C), link(a: C, b: A).
best(a: A, n: N, d: D) :- heavy(a: A, w: W), D := W * 2, N := count : reach(a: A).
"""

NUMBERS = re.compile(r" [\d,]+ → [\d,]+  ~[\d,]+  \d+\.\d ms$")


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("relation", ["best", "reach", "three", "copy", "heavy"])
def test_every_operator_has_an_estimate_a_count_and_a_time(tmp_path, relation, where):
    with connect(":memory:" if where == "memory" else tmp_path / "a.db") as db:
        db.transact(
            [(b"e%d" % i, "to", b"e%d" % ((i * 7 + 1) % 50)) for i in range(50)]
            + [(b"e%d" % i, "w", i) for i in range(50)]
        )
        _, _, plan = db.explain(PROGRAM, relation=relation).partition("\n\n")
        lines = [
            line for line in plan.splitlines() if line not in ("loop", "end") and not line.strip().startswith("from ")
        ]
        heads = [line for line in lines if line.endswith(" tuples")]
        work = [line for line in lines if not line.endswith(" tuples")]
        assert heads
        assert work
        for line in work:
            assert NUMBERS.search(line), line
        for line in heads:
            assert re.search(r"= [\d,]+ tuples$", line), line

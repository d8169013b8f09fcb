"""The checklist is whole: every row about dataflow has a test, a vector or a planted bug that is named by its id."""

from __future__ import annotations

import re
from pathlib import Path

from circuit_planted import PLANTED
from test_circuit_vectors import VECTORS

ROWS = {
    *(f"d{number}" for number in range(7, 13)),
    *(f"o{number}" for number in range(2, 9)),
    *(f"f{number}" for number in range(1, 32)),
    *(f"e{number}" for number in range(21, 33)),
}


def test_every_row_has_a_test_of_its_name():
    names = [*PLANTED, *(vector[0] for vector in VECTORS)]
    for path in Path(__file__).parent.glob("test_*.py"):
        names += re.findall(r"(?m)^def test_(\w+)", path.read_text("utf-8"))
    words = {word.lower() for name in names for word in re.split(r"[_ ]", name)}
    assert sorted(ROWS - words) == []

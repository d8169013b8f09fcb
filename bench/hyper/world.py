"""The hyperedges of `hyper`: statements about things from a fixed seed, as lines of JSON deltas that every engine takes.

About a hundred statements a thing, ten properties, twenty authors, one in a hundred a negation of an earlier one; times
grow. Beside them stand ten parents, each with ten statements that lead to one thing each. A small world of its own is the
shared graph: twenty levels, each pointing twice at the one below.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from bench.child import Watch

PER_THING = 100
PROPERTIES = 10
AUTHORS = 20
NEGATED = 0.01
PARENTS = CHILDREN = 10
LEVELS = 20
START_MS = 1_600_000_000_000
STEP_MS = 1_000

ASKED = 200
"""How many things are asked for."""

POINTS = 20
"""How many moments of one thing's history are looked at."""


def thing(number: int) -> str:
    """The id of a thing."""
    return f"thing-{number}"


def prepare(_watch: Watch, folder: str, deltas: int) -> dict[str, Any]:
    """Write the two worlds; returns what is asked of them."""
    chance = random.Random(9)
    things = max(CHILDREN, deltas // PER_THING)
    made: list[str] = []
    path = Path(folder)
    with (path / "world.jsonl").open("w") as out:
        for number in range(deltas):
            id = f"delta-{number}"
            if made and chance.random() < NEGATED:
                pointers = [_pointer("negates", chance.choice(made), "negated_by")]
            else:
                made.append(id)
                name = f"property-{chance.randrange(PROPERTIES)}"
                pointers = [
                    _pointer("entity", thing(number % things), name),
                    {"role": name, "target": chance.randrange(1000)},
                ]
            _line(out, id, START_MS + number * STEP_MS, f"author-{chance.randrange(AUTHORS)}", pointers)
        for parent in range(PARENTS):
            for child in range(CHILDREN):
                number = parent * CHILDREN + child
                pointers = [
                    _pointer("parent", f"parent-{parent}", "child"),
                    _pointer("child", thing(number % things), None),
                ]
                _line(out, f"nest-{number}", START_MS + number, "author-0", pointers)
    with (path / "shared.jsonl").open("w") as out:
        for level in range(LEVELS):
            for way in range(2):
                pointers = [_pointer("from", f"level-{level}", "down"), _pointer("to", f"level-{level + 1}", None)]
                _line(out, f"way-{level}-{way}", START_MS + level, "author-0", pointers)
    last = START_MS + deltas * STEP_MS
    asked = [thing(number) for number in chance.sample(range(things), min(ASKED, things))]
    return {"things": asked, "moments": [START_MS + (last - START_MS) * (n + 1) // POINTS for n in range(POINTS)]}


def _pointer(role: str, id: str, context: str | None) -> dict[str, Any]:
    return {"role": role, "target": {"id": id} if context is None else {"id": id, "context": context}}


def _line(out: Any, id: str, timestamp: int, author: str, pointers: list[dict[str, Any]]) -> None:
    node = {"id": id, "timestamp": timestamp, "author": author, "system": "bench", "pointers": pointers}
    out.write(json.dumps(node) + "\n")

"""Ours: a file with its index, asked by a fresh process for each part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.child import Watch
from bench.hyper.world import LEVELS, PARENTS
from rhizomedb.db.connection import Connection, connect
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.json_delta import read
from rhizomedb.hyper.schema import HyperSchema, Nest

STANDARD = HyperSchema("standard", "Standard")
PARENT = HyperSchema("parent", "Parent", nests={"child": Nest("standard")})
UPDATES = 50


def _take(db: Connection, path: Path) -> None:
    with path.open() as lines:
        db.pass_on((read(json.loads(line)) for line in lines), author="bench", origin="bench")


def load(watch: Watch, folder: str) -> None:
    """Take both worlds into files."""
    for name in ("world", "shared"):
        with watch(f"load {name}"), connect(Path(folder) / f"{name}.db") as db:
            _take(db, Path(folder) / f"{name}.jsonl")


def ask(watch: Watch, folder: str, things: list[str], moments: list[int]) -> dict[str, Any]:
    """Hyperedges by target, first and once more; views that nothing was read for; nested ones; a history."""
    half = len(things) // 2
    counts: dict[str, Any] = {"target": 0, "view": 0, "nested": 0, "travel": []}
    with connect(Path(folder) / "world.db", create=False) as db:
        db.hyperedges(targets=["thing-0"])
        for name in ("target, first", "target"):
            for each in things[:half]:
                with watch(name):
                    found = db.hyperedges(targets=[each.encode()])
                counts["target"] += len(found)
        for each in things[half:]:
            with watch("view"):
                view = db.hyperview(each.encode(), STANDARD)
            counts["view"] += _size(view)
    with connect(Path(folder) / "world.db", create=False) as db:
        db.hyperview(b"parent-0", PARENT, schemas=[STANDARD])
        for parent in range(1, PARENTS):
            with watch("nested"):
                view = db.hyperview(b"parent-%d" % parent, PARENT, schemas=[STANDARD])
            counts["nested"] += _size(view)
        with watch("travel"):
            views = [db.as_of(moment).hyperview(things[0].encode(), STANDARD) for moment in moments]
        counts["travel"] = [_size(view) for view in views]
    return counts


def update(watch: Watch, folder: str, things: list[str]) -> int:
    """A view that is kept up to date, read after each statement that somebody else made about its thing."""
    entity, size = things[0].encode(), 0
    path = Path(folder) / "world.db"
    with (
        connect(path, create=False, durability="normal") as other,
        connect(path, create=False) as db,
        db.live_hyperviews([entity], STANDARD) as live,
    ):
        size = _size(live[entity])
        for number in range(UPDATES):
            other.relate(entity=(entity, "property-0"), value=number, author="bench")
            name = "update, elsewhere"
            if number % 2:  # as where the reference is asked, the statement is known here by then
                name, _ = "update", db.cut
            with watch(name):
                view = live[entity]
            assert _size(view) == size + number + 1, "the view follows"
    return size


def shared(watch: Watch, folder: str) -> int:
    """A graph in which all is shared, from its top."""
    schemas = [HyperSchema(f"s{n}", f"S{n}", nests={"to": Nest(f"s{n + 1}")}) for n in range(LEVELS)]
    with connect(Path(folder) / "shared.db", create=False) as db:
        with watch("shared"):
            view = db.hyperview(b"level-0", schemas[0], schemas=[*schemas, HyperSchema(f"s{LEVELS}", "End")])
        return len(view["down"])


def first(watch: Watch, folder: str, things: list[str]) -> int:
    """Open a file and make a view."""
    with watch("open"):
        db = connect(Path(folder) / "world.db", create=False)
        view = db.hyperview(things[0].encode(), STANDARD)
    size = _size(view)
    db.close()
    return size


def _size(view: HyperView) -> int:
    """How many hyperedges a view shows, nested ones among them."""
    return sum(
        1 + sum(_size(target) for _, target in entry.targets if isinstance(target, HyperView))
        for entries in view.properties.values()
        for entry in entries
    )

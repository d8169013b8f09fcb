"""The benchmark of data types at its small size: every engine that is here ends with the same texts and values."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from bench.child import Watch
from bench.crdt import operations, section, traces
from bench.crdt.digest import digest
from bench.process import Run, Time

ENGINES = [
    pytest.param(
        name, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"), id=name
    )
    for name, package in section.ENGINES.items()
]
every = pytest.mark.parametrize("engine", ENGINES)


def asked(engine: str, function: str, **options: Any) -> tuple[Any, Watch]:
    watch = Watch()
    return getattr(import_module(f"bench.crdt.{engine}"), function)(watch, **options), watch


def edited(patches: list[traces.Patch], text: str = "") -> str:
    for position, count, inserted in patches:
        text = text[:position] + inserted + text[position + count :]
    return text


@every
def test_a_document(engine: str, tmp_path: Path) -> None:
    path, expected = tmp_path / "document", edited(traces.made(1200))
    found, watch = asked(engine, "replay", name="made 1500", most=1200, path=str(path))
    assert (
        found["text"] == digest(edited(traces.made(1500)[:1200]))
        and found["bytes"] > 0
        and len(watch.times["replay"]) == 1
    )
    assert asked(engine, "load", path=str(path))[0]["text"] == found["text"]
    typed = edited([(place, 0, "x") for place in operations.places(len(expected), 5)], expected)
    found, watch = asked(engine, "keys", path=str(path), count=5, durability="memory")
    assert found["text"] == digest(typed) and len(watch.times["key"]) == 5


@every
def test_what_two_wrote(engine: str, tmp_path: Path) -> None:
    found, _ = asked(engine, "merge", name="made 100", most=None, path=str(tmp_path / "merged.db"))
    mine, _ = asked("ours", "merge", name="made 100", most=None, path=str(tmp_path / "ours.db"))
    assert found == mine


VALUES = {
    "counter": [[sum(step for of_one in operations.steps(3, 40) for _, step, _ in of_one)]],
    "members": sorted(f"{writer}.{number}" for writer in range(3) for number in range(40) if number % 4 < 2),
    "entries": sorted([f"{writer}.{key}", 4 * key + 3] for writer in range(3) for key in range(0, 10, 2)),
}


@every
@pytest.mark.parametrize("function", VALUES)
def test_values(engine: str, function: str, tmp_path: Path) -> None:
    if engine == "yrs" and function == "counter":
        pytest.skip("Yrs has no counters")
    assert asked(engine, function, writers=3, each=40, path=str(tmp_path / "merged.db"))[0] == VALUES[function]


def test_stretches_are_of_one_writer_and_nobody_saw_a_part() -> None:
    history = [
        traces.Edit(writer, seen, ())
        for writer, seen in [(0, ()), (0, (0,)), (0, (1,)), (1, (1,)), (1, (3,)), (0, (2, 4)), (0, (5,))]
    ]
    assert list(traces.stretches(history)) == [[0, 1], [2], [3, 4], [5, 6]]


def test_figures() -> None:
    runs = {
        "ours": [Run({"key": [Time(2e-3, 1e-3)] * 3}, {"text": "a", "bytes": 300}, 1 << 20)],
        "yrs": [Run({"key": [Time(1e-3, 1e-3)] * 3}, {"text": "a"}, 1 << 20)],
    }
    rows = section._rows([section.Measured("key", 100, "key", runs), section.Measured("key", 200, "key", runs)])
    assert rows[0] == ("key", "100", "ours", "2 ms", "1 ms", "1.0 MiB", "3.0", "", "")
    assert rows[3][-2:] == ("×2", "×1")


@pytest.mark.parametrize(("milliseconds", "met"), [(0.4, 7), (100, 5), (4000, 2), (20_000, 1)])
def test_what_must_be(milliseconds: float, met: int) -> None:
    def measured(what: str, size: int, lap: str) -> section.Measured:
        run = Run({lap: [Time(milliseconds / 1000, 0)]}, {"text": "a", "bytes": 6 * size}, 1)
        return section.Measured(what, size, lap, {"ours": [run]})

    key = measured("key", 1000, "key")
    every = [
        measured("replay", 1000, "replay"),
        measured("load", 1000, "load"),
        measured("merge some", 70, "merge"),
        key,
        key.as_p99(),
    ]
    every += [measured(what, 100_000, "merge") for what in ("counter", "set", "map")]
    lines = section._must_be({(each.what, each.size): each for each in every}, 1000)
    assert [line.met for line in lines].count(True) == met and len(lines) == 7

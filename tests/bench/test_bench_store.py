"""The benchmark of the store at a tiny size, ours alone: what is asked at which interface is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.store import must, section
from bench.store.measure import OURS, Room

FACTS = 3_000


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("RHIZOME_HOME", str(tmp_path / "home"))
    return Room(tmp_path, FACTS, [OURS])


def test_what_a_program_asks_is_measured_beside_the_store_and_has_no_must(room: Room) -> None:
    room._load(1)
    room._ask(1)
    room._ask_the_api(1)
    size = room.size
    names = ("entity warm", "fact warm", "api get", "api facts")
    assert all(size.of(name) > 0 and list(size.series[name]) == [OURS] for name in names)
    table = section._times([size])
    assert "| `db.get` of an entity, warm | 3,000 |" in table and "| `db.facts` of an entity, warm |" in table
    lines = [line.text for line in must._gets([size])]
    assert lines and all("at the store interface" in line for line in lines)
    assert not any("db.get" in line for line in lines)

"""Real documents: editing histories of one and of several writers, replayed through texts, byte for byte.

The histories are those of the public collection editing-traces (CC BY 4.0) and not part of this project: the folder that
`RHIZOMEDB_BENCH_DATA` names holds them as `traces/NAME.json.gz`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import rhizomedb
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.text import Text

FOLDER = os.environ.get("RHIZOMEDB_BENCH_DATA")
NAMES = {
    "automerge-paper": "a489e9022976c14e46627aea174d07797edcb3fd17df42605956d4cf01bf9039",
    "sveltecomponent": "d8bb93b7cf87b4c3a0394fddc028284a093d90d5794a213d1ccb0794eb4ede8f",
    "rustcode": "2cde7bd1dedbcd198e3f5a66a4135f120571a4349d48d057009f311622a0894c",
    "friendsforever": "4720ec330c91e288c00b71cab318f7a1cdde689dfc401f269c353acfd6cb03f6",
    "clownschool": "d0812d3d6bfd59eab997e16187c9f1f575c65c84b4b539b033ab499c2edc79d5",
}
D = rhizomedb.entity(text="traced")

pytestmark = pytest.mark.skipif(
    FOLDER is None or not (Path(FOLDER) / "traces").is_dir(),
    reason="RHIZOMEDB_BENCH_DATA does not name a folder with traces/ in it",
)


@cache
def trace(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((Path(str(FOLDER)) / "traces" / f"{name}.json.gz").read_bytes()))
    return found


def digest(text: Text | str) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


@pytest.mark.parametrize("name", ["automerge-paper", "sveltecomponent", "rustcode"])
def test_a_beginning_edit_by_edit(db: Connection, name: str) -> None:
    text, expected = db.text(D), ""
    for txn in trace(name)["txns"][:150]:
        with text.batch():
            for position, deleted, inserted in txn["patches"]:
                text.splice(position, deleted, inserted)
                expected = expected[:position] + inserted + expected[position + deleted :]
    assert str(text) == expected and db.text(D) == expected


@pytest.mark.parametrize("name", ["automerge-paper", "sveltecomponent", "rustcode"])
def test_a_whole_document(tmp_path: Path, name: str) -> None:
    patches = [patch for txn in trace(name)["txns"] for patch in txn["patches"]]
    path = tmp_path / "traced.db"
    with connect(path, author="ann", durability="memory") as db, db.text(D) as text:
        for start in range(0, len(patches), 1000):
            with text.batch():
                for patch in patches[start : start + 1000]:
                    text.splice(*patch)
        assert digest(text) == NAMES[name]
    with connect(path) as db, db.text(D) as text:
        assert digest(text) == NAMES[name]


# -- several writers ---------------------------------------------------------------------------------------------------------


class Writers:
    """A copy for each writer. Each has seen what its next edits had seen, and nothing else."""

    def __init__(self, name: str, most: int | None = None) -> None:
        whole = trace(name)
        self.txns = whole["txns"][:most]
        self.count = whole["numAgents"]
        self.dbs = [connect(":memory:", author=f"writer {number}") for number in range(self.count)]
        self.texts = [db.text(D) for db in self.dbs]
        self.seen: list[list[int]] = []  # by edit: how many edits of each writer it had seen, itself among them
        self.own: list[list[list[bytes]]] = [[] for _ in range(self.count)]  # what each writer said, by its edits
        self.has = [[0] * self.count for _ in range(self.count)]

    def replay(self) -> None:
        for some in self._stretches():
            agent = self.txns[some[0]]["agent"]
            self.receive(agent, self._before(some[0]))
            db, text = self.dbs[agent], self.texts[agent]
            epoch = db._store.epoch()
            with text.batch():
                for number in some:
                    for patch in self.txns[number]["patches"]:
                        text.splice(*patch)
            said = [envelope for _, envelope in db._store.envelopes(epoch)]
            for number in some:
                seen = self._before(number)
                seen[agent] += 1
                self.seen.append(seen)
                self.own[agent].append(said if number == some[-1] else [])
            self.has[agent][agent] += len(some)

    def receive(self, agent: int, wanted: list[int]) -> None:
        """Take in what others said."""
        has, coming = self.has[agent], []
        for other in range(self.count):
            if other != agent:
                coming += [envelope for said in self.own[other][has[other] : wanted[other]] for envelope in said]
                has[other] = max(has[other], wanted[other])
        if coming:
            self.dbs[agent].admit(coming, origin="meeting")

    def _before(self, number: int) -> list[int]:
        parents = [self.seen[parent] for parent in self.txns[number]["parents"]]
        return [max(counts) for counts in zip(*parents, strict=True)] if parents else [0] * self.count

    def _stretches(self) -> list[list[int]]:
        """Edits of one writer one after the other, of which nobody saw some without the others."""
        after: dict[int, list[int]] = {}
        for number, txn in enumerate(self.txns):
            for parent in txn["parents"]:
                after.setdefault(parent, []).append(number)
        stretches: list[list[int]] = []
        for number, txn in enumerate(self.txns):
            last = stretches[-1][-1] if stretches else -1
            if txn["parents"] == [last] and after[last] == [number] and self.txns[last]["agent"] == txn["agent"]:
                stretches[-1].append(number)
            else:
                stretches.append([number])
        return stretches

    def meet(self) -> set[str]:
        """The texts when all have everything."""
        for agent in range(self.count):
            self.receive(agent, [len(said) for said in self.own])
        return {str(text) for text in self.texts}

    def close(self) -> None:
        for db in self.dbs:
            db.close()


@pytest.mark.parametrize("name", ["friendsforever", "clownschool"])
def test_the_beginning_of_what_several_wrote(name: str) -> None:
    writers = Writers(name, 1500)
    writers.replay()
    (text,) = writers.meet()
    with connect(":memory:") as db:
        db.admit(
            [envelope for said in reversed(writers.own) for each in said[::-1] for envelope in each], origin="late"
        )
        assert str(db.text(D)) == text
    writers.close()


@pytest.mark.parametrize("name", ["friendsforever", "clownschool"])
def test_what_several_wrote(name: str) -> None:
    writers = Writers(name)
    writers.replay()
    assert {digest(text) for text in writers.meet()} == {NAMES[name]}
    writers.close()

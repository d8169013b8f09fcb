"""Real documents: editing histories of one and of several writers, replayed through texts, byte for byte.

The histories are those of the public collection editing-traces (CC BY 4.0) and not part of this project: the folder that
`RHIZOMEDB_BENCH_DATA` names holds them as `traces/NAME.json.gz`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.crdt import traces
from bench.crdt.digest import digest
from bench.crdt.ours import Copy

import rhizomedb
from rhizomedb.db.connection import Connection, connect

NAMES = {
    "automerge-paper": "a489e9022976c14e46627aea174d07797edcb3fd17df42605956d4cf01bf9039",
    "sveltecomponent": "d8bb93b7cf87b4c3a0394fddc028284a093d90d5794a213d1ccb0794eb4ede8f",
    "rustcode": "2cde7bd1dedbcd198e3f5a66a4135f120571a4349d48d057009f311622a0894c",
    "friendsforever": "4720ec330c91e288c00b71cab318f7a1cdde689dfc401f269c353acfd6cb03f6",
    "clownschool": "d0812d3d6bfd59eab997e16187c9f1f575c65c84b4b539b033ab499c2edc79d5",
}
D = rhizomedb.entity(text="traced")

WRITERS = {"friendsforever": 2, "clownschool": 3}

pytestmark = pytest.mark.skipif(traces.missing() is not None, reason=str(traces.missing()))


@pytest.mark.parametrize("name", ["automerge-paper", "sveltecomponent", "rustcode"])
def test_a_beginning_edit_by_edit(db: Connection, name: str) -> None:
    text, expected = db.text(D), ""
    for position, deleted, inserted in traces.patches(name)[:150]:
        text.splice(position, deleted, inserted)
        expected = expected[:position] + inserted + expected[position + deleted :]
    assert str(text) == expected and db.text(D) == expected


def test_a_whole_document_with_a_delta_for_each_edit() -> None:
    patches = traces.patches("sveltecomponent")
    with connect(":memory:", author="ann") as db, db.text(D) as text:
        for patch in patches:
            text.splice(*patch)
        assert db.cut.epoch == len(patches)
        assert digest(str(text)) == NAMES["sveltecomponent"]


@pytest.mark.parametrize("name", ["automerge-paper", "sveltecomponent", "rustcode"])
def test_a_whole_document(tmp_path: Path, name: str) -> None:
    patches = traces.patches(name)
    path = tmp_path / "traced.db"
    with connect(path, author="ann", durability="memory") as db, db.text(D) as text:
        for start in range(0, len(patches), 1000):
            with text.batch():
                for patch in patches[start : start + 1000]:
                    text.splice(*patch)
        assert digest(str(text)) == NAMES[name]
    with connect(path) as db, db.text(D) as text:
        assert digest(str(text)) == NAMES[name]


# -- several writers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "most"), [(name, most) for most in (1500, None) for name in ("friendsforever", "clownschool")]
)
def test_what_several_wrote(name: str, most: int | None) -> None:
    """A copy for each writer, which has seen what its next edits had seen, and nothing else; then all meet."""
    history = traces.edits(name, most)
    dbs = [connect(":memory:", author=f"writer {number}") for number in range(WRITERS[name])]
    copies = [Copy(db) for db in dbs]
    sent = traces.replay(history, list(copies))
    (text,) = {copy.text() for copy in copies}
    if most is None:
        assert digest(str(text)) == NAMES[name]
    with connect(":memory:") as late:
        late.admit(sent[::-1], origin="late")
        assert Copy(late).text() == text
    for db in dbs:
        db.close()

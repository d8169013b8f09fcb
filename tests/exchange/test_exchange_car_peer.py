"""A foreign tool reads our archives, and we read those that it writes: @ipld/car and @ipld/dag-cbor, under node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from histories import START_MS, histories, shown
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import Connection, connect
from rhizomedb.exchange import archive
from rhizomedb.exchange.archive import write_archive
from rhizomedb.exchange.importer import import_deltas
from rhizomedb.exchange.source import Source
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta

PEER = Path(__file__).with_name("car_peer")
FILES = ("package.json", "package-lock.json", ".npmrc", "check.mjs")


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the foreign tool is installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("car_peer")
    for name in FILES:
        shutil.copy(PEER / name, folder / name)
    try:
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not install in two minutes")
    if done.returncode:
        pytest.skip(f"npm could not install: {done.stderr.strip()[-300:]}")
    return folder


def ask(peer: Path, *words: str | Path) -> Any:
    command = ["node", "check.mjs", *map(str, words)]
    done = subprocess.run(command, cwd=peer, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def copy() -> Connection:
    return connect(":memory:", author="alice", clock=lambda: START_MS)


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((PEER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all("resolved" not in package and package["integrity"] for package in packages.values())


# Each example starts node twice: a few, and no search for a smaller one.
@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(history=histories(), shard=st.sampled_from([1, 2, archive.SHARD_LINKS]))
def test_both_ways(peer: Path, history: list[Delta], shard: int) -> None:
    ours, theirs = peer / "ours.car", peer / "theirs.car"
    with copy() as here, copy() as there, pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "SHARD_LINKS", shard)
        here.admit([delta.encode() for delta in history], origin="test")
        deltas = list(here.deltas())
        count = write_archive(deltas, ours)
        found = ask(peer, "walk", ours)
        assert (found["version"], found["format"], found["count"]) == (1, archive.FORMAT, count)
        assert found["blocks"] == count + -(-count // shard) + 1
        assert found["deltas"] == [
            {
                "cid": str(Cid.of(delta.encode())),
                "author": delta.author.hex(),
                "signature": delta.signature.hex(),
                "system": delta.system,
                "facts": len(delta.facts),
                "links": [str(cause) for fact in delta.facts for cause in sorted(fact.causes)],
            }
            for delta in deltas
        ]
        assert ask(peer, "rewrite", ours, theirs) == {"blocks": found["blocks"]}
        assert theirs.stat().st_size == ours.stat().st_size
        assert ask(peer, "walk", theirs)["root"] == found["root"]
        assert import_deltas(there, Source(theirs), origin="test").new == count
        assert {delta.encode() for delta in there.deltas()} == {delta.encode() for delta in deltas}
        assert shown(there) == shown(here)

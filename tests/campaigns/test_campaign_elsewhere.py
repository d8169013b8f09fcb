"""An index that came with a file from elsewhere is not believed: not when it is opened, and not after a write here."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from workload import opened, small_thresholds

from rhizomedb.errors import StoreError


@pytest.fixture
def forged(tmp_path: Path) -> str:
    """A file whose catalogue names segments that say something else than its log."""
    for name, shift in (("true", 0), ("false", 1000)):
        with small_thresholds(), closing(opened(str(tmp_path / f"{name}.db"))) as db:
            for number in range(30):
                db.transact([(b"t%d" % number, "one", number + shift)])
    with closing(apsw.Connection(str(tmp_path / "false.db"))) as false:
        catalogue = list(false.execute("SELECT * FROM segment"))
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(tmp_path / "true.db", given / "films.db")
    shutil.copytree(tmp_path / "false.db-index", given / "films.db-index")
    with closing(apsw.Connection(str(given / "films.db"))) as films:
        films.execute("DELETE FROM segment")
        films.executemany("INSERT INTO segment VALUES (?, ?, ?, ?)", catalogue)
    return str(given / "films.db")


def test_a_forged_index_is_not_believed(forged: str) -> None:
    with small_thresholds():
        for _ in range(3):
            with closing(opened(forged)) as db:
                assert db.get(b"t3", "one") == 3
                db.transact([(b"new", "n", db.stats().epoch)])
                assert db.get(b"t3", "one") == 3 and not list(db.verify())


def test_who_only_reads_waits_for_nobody(forged: str) -> None:
    """Not even where the whole index is made anew in memory, which takes more than one segment."""
    with small_thresholds():
        with closing(opened(forged)) as db:
            db.transact([(b"many %d" % number, "n", number) for number in range(1500)])
        copy = f"{forged}.copy"
        shutil.copy(forged, copy)
        with closing(apsw.Connection(copy)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with closing(opened(copy, wait_ms=0)) as db:
                assert db.stats().facts == 1530
                with pytest.raises(StoreError, match="another process"):
                    db.transact([(b"x", "n", 1)])

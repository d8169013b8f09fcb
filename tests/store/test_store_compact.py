"""Making a file small; and how many bytes there are of what."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from store_helpers import everything, said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.manifest import Block
from rhizomedb.store import indexed
from rhizomedb.store.compact import compact, merge_all
from rhizomedb.store.folder import Folder
from rhizomedb.store.keeper import Keeper
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.storage import size_of

SCRIPT = str(Path(__file__).with_name("care_scripts.py"))


@pytest.fixture
def scattered(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with several segments, pages that are not in use, and a write-ahead log."""
    monkeypatch.setattr(indexed, "TAIL_DELTAS", 1)
    monkeypatch.setattr(indexed, "SMALL", 0)
    monkeypatch.setattr(Keeper, "look", lambda self: None)
    store = SqliteStore(path, create=True)
    for number in range(6):
        write(store, [said(100 * number + part) for part in range(40)])
    with store.writing():
        store.chunks.put([Block.chunk(bytes([number]) * SIZES.bytes_max) for number in range(30)])
    with store.writing():
        store.chunks.drop(list(store.chunks.cids()))
    store.close()
    return path


def test_it_becomes_small_and_shows_the_same(scattered: str) -> None:
    store = SqliteStore(scattered, create=False)
    before = everything(store)
    free = store.storage().free_bytes
    assert free > 1 << 20
    done = compact(scattered)
    assert done.file_bytes <= done.file_bytes_before - free and done.wal_bytes == 0 and done.gained >= free
    assert (done.segments_before, done.segments) == (6, 1)
    assert everything(store) == before, "who has it open goes on reading"
    assert store.storage().free_bytes == 0 and list(store.verify()) == []
    assert write(store, [said(9999)]) == 7
    store.close()
    again = compact(scattered)
    assert again.segments <= 2


def test_it_sweeps_what_was_left_behind(scattered: str) -> None:
    folder = Folder(scattered)
    assert folder.write(b"nothing")
    done = compact(scattered)
    (segment,) = os.listdir(folder.path)
    assert done.index_bytes == os.path.getsize(os.path.join(folder.path, segment)) < done.index_bytes_before


def test_an_index_that_is_made_anew_leaves_nothing_of_the_old_one(scattered: str) -> None:
    store = SqliteStore(scattered, create=False)
    before = everything(store)
    assert store.rebuild_index() == []
    named = {name for (name,) in store.file.run("SELECT name FROM segment")}
    assert set(os.listdir(Folder(scattered).path)) == named
    assert everything(store) == before
    store.close()


def test_an_index_that_is_not_made_anew_after_all_is_still_there(
    scattered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(scattered, create=False)
    before = set(os.listdir(Folder(scattered).path))
    monkeypatch.setattr(store.file, "_check_place", Failing(2))
    with pytest.raises(ZeroDivisionError):
        store.rebuild_index()
    assert set(os.listdir(Folder(scattered).path)) == before
    assert list(store.verify()) == []
    store.close()


class Failing:
    """Fails when it is called for the last of some times."""

    def __init__(self, times: int) -> None:
        self._times = times

    def __call__(self) -> None:
        self._times -= 1
        if not self._times:
            raise ZeroDivisionError


def test_it_goes_on_beside_writers(scattered: str) -> None:
    small = [subprocess.Popen([sys.executable, SCRIPT, "compact", scattered]) for _ in range(2)]
    store = SqliteStore(scattered, create=False, wait_ms=60_000)
    for number in range(30):
        write(store, [said(50_000 + number)])
    assert [process.wait(60) for process in small] == [0, 0]
    assert store.epoch() == 36 and list(store.verify()) == []
    store.close()


class Usage(NamedTuple):
    total: int = 0
    used: int = 0
    free: int = 1000


def test_it_says_so_where_there_is_no_room(scattered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())
    with pytest.raises(StoreError) as caught:
        compact(scattered)
    assert caught.value.code == "store.full"
    store = SqliteStore(scattered, create=False)
    assert list(store.verify()) == []
    store.close()


def test_merging_is_bounded(scattered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from rhizomedb.store import compact as compacting

    monkeypatch.setattr(compacting, "FACTS_MAX", 100)
    store = SqliteStore(scattered, create=False)
    merge_all(store.file)
    assert store.file.run("SELECT count(*) >= 2 FROM segment") == [(1,)]
    assert list(store.verify()) == []
    store.close()


def test_storage_adds_up(scattered: str) -> None:
    store = SqliteStore(scattered, create=False)
    with store.writing():
        store.chunks.put([Block.chunk(b"x" * 50_000)])
    kept = store.storage()
    store.file.run("PRAGMA wal_checkpoint(TRUNCATE)")
    assert kept.log_bytes + kept.attachment_bytes + kept.free_bytes == size_of(scattered)
    assert (kept.attachment_blocks, kept.attachment_bytes) == (1, 50_000)
    assert kept.index_bytes == Folder(scattered).size() and kept.segments >= 1
    assert (kept.format, kept.durability) == (2, "full") and kept.wal_bytes > 0
    assert kept.total_bytes == kept.log_bytes + 50_000 + kept.index_bytes
    assert kept.bytes_per_fact(0) == 0 and kept.bytes_per_fact(10) == (kept.log_bytes + kept.index_bytes) / 10
    store.close()

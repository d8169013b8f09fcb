"""What a write waits for, by its durability; and a disk that is full, at every write that it is asked for."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from disk_shim import Disk
from store_helpers import said, write

from rhizomedb.db.connection import connect
from rhizomedb.errors import RequestError, StoreError
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.manifest import Block
from rhizomedb.store import ALL, folder, indexed, open_store
from rhizomedb.store.file import Durability
from rhizomedb.store.sqlite import SqliteStore

WRITES = 20


def syncs(path: str, durability: Durability) -> tuple[int, int]:
    """How often the disk was waited for while writing, and while closing."""
    disk = Disk()
    SqliteStore(path, create=True, vfs=disk.name).close()
    store = SqliteStore(path, create=False, vfs=disk.name, durability=durability)
    disk.syncs = 0
    for number in range(WRITES):
        write(store, [said(number)])
    writing, disk.syncs = disk.syncs, 0
    store.close()
    return writing, disk.syncs


def test_a_full_write_waits_for_the_disk_each_time(path: str) -> None:
    writing, _ = syncs(path, "full")
    assert writing >= WRITES


def test_a_normal_write_waits_only_when_the_log_is_moved_into_the_file(path: str) -> None:
    writing, closing = syncs(path, "normal")
    assert writing < WRITES / 2 and closing >= 1


def test_a_memory_write_never_waits(path: str) -> None:
    assert syncs(path, "memory") == (0, 0)


@pytest.mark.parametrize("durability", ["full", "normal", "memory"])
def test_every_durability_survives_the_end_of_the_process(path: str, durability: str) -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[3]); from store_helpers import said, write;"
        "from rhizomedb.store import open_store; store = open_store(sys.argv[1], durability=sys.argv[2]);"
        "write(store, [said(1)]); write(store, [said(2)]); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, path, durability, str(Path(__file__).parent)], check=False)
    assert done.returncode == -9
    store = open_store(path, create=False)
    assert store.epoch() == 2 and list(store.verify()) == []
    store.close()


def test_another_durability_is_refused(path: str) -> None:
    with pytest.raises(RequestError) as caught:
        open_store(path, durability="ful")  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.code == "db.usage" and caught.value.nearest == ("full",)


# -- a disk that is full -----------------------------------------------------------------------------------------------


def test_a_full_disk_at_every_write_that_it_is_asked_for(path: str) -> None:
    """Whichever of its writes finds no room: all of a commit is kept or nothing, and later ones work."""
    disk = Disk()
    store = SqliteStore(path, create=True, vfs=disk.name, durability="normal")
    kept = refused = 0
    for room in range(24):
        disk.room = room
        try:
            write(store, [said(1000 * room + part) for part in range(20)])
            kept += 1
        except StoreError as error:
            assert error.code == "store.full"
            refused += 1
        disk.room = None
        assert store.epoch() == kept and store.counts(ALL)["deltas"] == 20 * kept
    assert refused >= 3 and kept >= 3
    assert write(store, [said(99_999)]) == kept + 1 and list(store.verify()) == []
    store.close()


def test_a_full_disk_while_an_attachment_comes_in(path: str) -> None:
    disk = Disk()
    store = SqliteStore(path, create=True, vfs=disk.name)
    write(store, [said(1)])
    blocks = [Block.chunk(bytes([number]) * SIZES.bytes_max) for number in range(8)]
    disk.room = 60
    with pytest.raises(StoreError) as caught, store.writing():
        store.chunks.put(blocks)
    assert caught.value.code == "store.full"
    disk.room = None
    assert store.chunks.total().blocks == 0
    with store.writing():
        assert store.chunks.put(blocks).blocks == 8
    assert list(store.verify()) == []
    store.close()


FULL_SCRIPT = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from store_helpers import said, write
from rhizomedb.errors import StoreError
from rhizomedb.store.sqlite import SqliteStore
store = SqliteStore(sys.argv[1], create=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
kept = 0
try:
    for number in range(1000):
        write(store, [said(number * 100 + part) for part in range(20)])
        kept += 1
except StoreError as error:
    print(error.code)
try:
    write(store, [said(number * 100 + part) for part in range(20, 60)])
    kept += 1
except StoreError as error:
    print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(store, [said(-1)])
assert store.epoch() == kept + 1 and list(store.verify()) == []
print("went on")
"""


def test_a_file_that_may_not_grow_any_more(path: str) -> None:
    """The operating system's own refusal, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_SCRIPT, path, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split("\n")[:3] == ["store.full", "store.full", "went on"], done.stderr
    store = SqliteStore(path, create=False)
    assert list(store.verify()) == []
    store.close()


@pytest.fixture
def small_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the index to files at once."""
    monkeypatch.setattr(indexed, "TAIL_DELTAS", 1)


def test_a_full_disk_while_only_the_index_is_written(
    path: str, small_tail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit succeeds all the same: the index stays in memory, and gets to the disk when there is room again."""

    def no_room(name: str, mode: str = "r", **options: Any) -> Any:
        if mode == "xb":
            raise OSError(errno.ENOSPC, "No space left on device")
        return open(name, mode, **options)

    store = SqliteStore(path, create=True)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "open", no_room, raising=False)
        for number in range(10):
            write(store, [said(number)])
        assert store.counts(ALL)["deltas"] == 10 and store.file.run("SELECT count(*) FROM segment") == [(0,)]
    other = SqliteStore(path, create=False)
    assert other.counts(ALL)["deltas"] == 10
    other.close()
    write(store, [said(number) for number in range(10, 40)])
    assert store.file.run("SELECT count(*) > 0 FROM segment") == [(1,)]
    assert store.counts(ALL)["deltas"] == 40 and list(store.verify()) == []
    store.close()


def test_an_index_folder_that_cannot_be_made(path: str, small_tail: None) -> None:
    Path(path + "-index").write_text("in the way")
    store = SqliteStore(path, create=True)
    for number in range(5):
        write(store, [said(number)])
    assert store.counts(ALL)["deltas"] == 5 and list(store.verify()) == []
    store.close()


def test_writers_who_come_together_wait_for_the_disk_together(tmp_path: Path) -> None:
    """Group commit: the lock is free before the disk is waited for, so two waits can be one. Each waits for the other here."""
    path = str(tmp_path / "a.db")
    together = threading.Barrier(2, timeout=30)

    class Meeting:
        def __init__(self, log: Any) -> None:
            self._log = log

        def xSync(self, flags: int) -> None:  # it is called by this name
            together.wait()
            self._log.xSync(flags)

        def xClose(self) -> None:
            self._log.xClose()

    def write(name: str) -> None:
        with connect(path, author=name) as db:
            db.transact([(name, "n", 0)])
            db._store.file._log = Meeting(db._store.file._log)
            opened.wait()
            for number in range(1, 6):
                db.transact([(name, "n", number)])

    opened = threading.Barrier(2, timeout=30)
    with ThreadPoolExecutor(2) as writers:
        for done in [writers.submit(write, name) for name in ("ann", "ben")]:
            done.result()
    with connect(path) as db:
        assert [db.get(name, "n") for name in ("ann", "ben")] == [5, 5]
        assert list(db.verify()) == []

"""Backups: whole, added to, never half, never of another database; and what a restored file shows."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import KEYS, NOW, deltas, everything, said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.delta import Group
from rhizomedb.facts.manifest import Block
from rhizomedb.store import ALL, Cut, admit
from rhizomedb.store.backup import backup, restore
from rhizomedb.store.compact import compact
from rhizomedb.store.copying import BATCH_ROWS
from rhizomedb.store.sqlite import SqliteStore

SCRIPT = str(Path(__file__).with_name("care_scripts.py"))


def start(*arguments: object, stdin: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=stdin, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def shown(path: str, newest: int | None = None) -> dict[object, object]:
    """Everything that a file shows, at every epoch of it."""
    store = SqliteStore(path, create=False)
    try:
        cuts = [ALL, *(Cut(epoch=number) for number in range((newest or store.epoch()) + 1))]
        blocks = {cid: store.chunks.get(cid) for cid in store.chunks.cids()}
        return {**everything(store, cuts), "blocks": blocks, "findings": list(store.verify())}
    finally:
        store.close()


def fill(path: str, first: int = 0, epochs: int = 4) -> None:
    """Some epochs, a name, blocks, and deltas of both kinds that are held back."""
    store = SqliteStore(path, create=True)
    for number in range(first, first + epochs):
        write(store, [said(number), said(number + 500)], at_ms=NOW + number, origin=f"import {number}")
    with store.writing():
        store.name(KEYS[0].public, f"name {first}")
        store.chunks.put([Block.chunk(b"block %d" % first * 100), Block.chunk(b"other %d" % first)])
    late = [said(first + 900, ms=NOW + AHEAD_MS_MAX + 9), said(first + 901, group=Group(b"g%d" % first, 3))]
    admit(store, late, now_ms=NOW, origin="peer")
    store.close()


def refused(path: str, target: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        backup(path, target)
    return caught.value


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "backup.db")


def leftovers(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if ".part" in name)


def test_a_backup_shows_what_the_database_shows_and_the_next_adds_what_is_new(
    path: str, target: str, tmp_path: Path
) -> None:
    fill(path)
    first = backup(path, target)
    assert (first.epoch, first.epochs, first.deltas, first.blocks) == (4, 4, 8, 2)
    assert sorted(os.listdir(tmp_path)) == ["backup.db", "films.db"], "one file, without an index"
    assert shown(target) == shown(path)
    fill(path, first=10)
    second = backup(path, target)
    assert (second.epoch, second.epochs, second.deltas, second.blocks) == (8, 4, 8, 2)
    assert shown(target) == shown(path)
    third = backup(path, target)
    assert (third.epoch, third.epochs, third.deltas, third.blocks) == (8, 0, 0, 0)


def test_a_backup_can_be_read_where_nothing_can_be_written(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    with apsw.Connection(f"file:{target}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI) as file:
        assert file.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
        assert file.execute("SELECT count(*) FROM log").fetchall() == [(8,)]


def test_what_is_held_back_no_longer_leaves_the_backup_too(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    store = SqliteStore(path, create=False)
    for held in store.held():
        with store.writing():
            store.release(held.id)
    store.close()
    backup(path, target)
    assert shown(target) == shown(path)


def test_blocks_never_leave_a_backup(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    store = SqliteStore(path, create=False)
    with store.writing():
        gone = store.chunks.drop(list(store.chunks.cids()))
    store.close()
    backup(path, target)
    kept = SqliteStore(target, create=False)
    assert set(kept.chunks.cids()) == set(gone)
    kept.close()


def test_a_restored_file_is_what_was_backed_up(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    backup(path, target)
    before = shown(path)
    again = str(tmp_path / "again.db")
    made = restore(target, again)
    assert (made.epoch, made.deltas) == (4, 8)
    assert os.path.isdir(again + "-index") or before, "the index is made anew"
    assert shown(again) == before
    store = SqliteStore(again, create=False)
    assert write(store, [said(77)]) == 5
    store.close()
    assert leftovers(tmp_path) == []


@settings(max_examples=15)
@given(st.lists(st.lists(deltas(), min_size=1, max_size=3), min_size=1, max_size=5), st.integers(0, 5))
def test_backup_and_restore_are_the_identity(tmp_path_factory: pytest.TempPathFactory, history: list[list[object]], cut: int) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("law")
    path, target, again = (str(folder / name) for name in ("a.db", "b.db", "c.db"))
    store = SqliteStore(path, create=True)
    for number, batch in enumerate(history):
        if number == cut:
            backup(path, target)
        write(store, batch, at_ms=NOW + number, origin=str(number))  # type: ignore[arg-type]  # they are deltas
    store.close()
    backup(path, target)
    restore(target, again)
    assert shown(again) == shown(target) == shown(path)


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_backup_of_another_database(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    other = str(tmp_path / "other.db")
    store = SqliteStore(other, create=True)
    write(store, [said(3)], at_ms=NOW + 77)
    store.close()
    backup(other, target)
    error = refused(path, target)
    assert error.code == "store.backup-target"
    assert error.message == f"{target} is not a backup of {path}; nothing was written"


def test_a_backup_of_a_copy_that_went_its_own_way(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    other = str(tmp_path / "other.db")
    shutil.copy(path, other)
    fill(other, first=100)
    fill(path, first=200)
    backup(other, target)
    error = refused(path, target)
    assert error.code == "store.backup-target"
    assert f"went its own way after epoch 4, which both it and {path} hold" in error.message


def test_a_backup_that_is_ahead(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    old = str(tmp_path / "old.db")
    shutil.copy(path, old)
    fill(path, first=100)
    backup(path, target)
    before = shown(target)
    error = refused(old, target)
    assert error.code == "store.backup-ahead" and "holds epochs from 5 on" in error.message
    assert shown(target) == before


def test_the_same_epochs_with_other_deltas(path: str, target: str, tmp_path: Path) -> None:
    for name, number in ((path, 1), (target, 2)):
        store = SqliteStore(name, create=True)
        write(store, [said(number)])
        store.close()
    assert refused(path, target).code == "store.backup-target"


@pytest.mark.parametrize("content", [b"", b"a text", b"SQLite format 3\x00" + b"\x00" * 4096])
def test_something_else(path: str, target: str, content: bytes) -> None:
    fill(path)
    Path(target).write_bytes(content)
    assert refused(path, target).code in ("store.backup-target", "store.damaged")
    assert Path(target).read_bytes() == content


def test_itself_and_nowhere(path: str, tmp_path: Path) -> None:
    fill(path)
    assert refused(path, path).code == "store.backup-target"
    assert refused(path, str(tmp_path / "no" / "where.db")).code == "store.unreadable"
    assert refused(path, str(tmp_path)).code == "store.unreadable"
    assert refused(str(tmp_path / "none.db"), str(tmp_path / "b.db")).code == "store.not-found"


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        (
            "delta 3",
            "UPDATE log SET frame = CAST(substr(frame, 1, 40) || zeroblob(8) || substr(frame, 49) AS BLOB) WHERE seq = 3",
        ),
        ("delta 3", "DELETE FROM log WHERE seq = 3"),
        ("delta 3", "UPDATE log SET epoch = -1 WHERE seq = 3"),
        ("epoch 2", "UPDATE epoch SET origin = 'elsewhere' WHERE number = 2"),
        ("block", "UPDATE chunk SET body = zeroblob(length(body)) WHERE row = 1"),
        ("held back", "UPDATE held SET envelope = substr(envelope, 1, 80)"),
    ],
)
def test_a_damaged_database_is_no_backup_and_the_old_one_stays(
    path: str, target: str, tmp_path: Path, what: str, statement: str
) -> None:
    fill(path)
    with apsw.Connection(path) as file:
        file.execute(statement)
    error = refused(path, target)
    assert error.code == "store.damaged" and what in error.message
    assert not os.path.exists(target) and leftovers(tmp_path) == []


def test_a_restore_does_not_write_over_a_file(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    fill(path, first=50)
    with pytest.raises(StoreError) as caught:
        restore(target, path)
    assert caught.value.code == "store.exists"
    assert restore(target, path, force=True, discard=True).epoch == 4
    assert shown(path) == shown(target)


def test_a_restore_does_not_take_a_file_away_from_another_process(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    other = start("hold", path, stdin=subprocess.PIPE)
    try:
        assert line(other) == "4"
        with pytest.raises(StoreError) as caught:
            restore(target, path, force=True, wait_ms=100)
        assert caught.value.code == "store.busy" and "open; nothing was restored" in caught.value.message
    finally:
        other.communicate()
    assert restore(target, path, force=True).epoch == 4


def test_a_forged_backup_is_not_restored(path: str, target: str, tmp_path: Path) -> None:
    """Hashes that agree are not enough: every signature is looked at."""
    fill(path)
    backup(path, target)
    from rhizomedb.store.frame import frame, unframe

    with apsw.Connection(target) as file:
        ((data,),) = file.execute("SELECT frame FROM log WHERE seq = 1").fetchall()
        envelope = bytearray(unframe(1, 1, data) or b"")
        envelope[-1] ^= 1
        file.execute("UPDATE log SET frame = ? WHERE seq = 1", (frame(1, 1, bytes(envelope)),))
    before = shown(path)
    with pytest.raises(StoreError) as caught:
        restore(target, path, force=True, discard=True)
    assert caught.value.code == "store.damaged" and "delta 1" in caught.value.message
    assert shown(path) == before and leftovers(tmp_path) == []


def test_a_restore_over_a_file_that_cannot_be_read(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    Path(path).write_bytes(b"SQLite format 3\x00" + os.urandom(9000))
    Path(path + "-wal").write_bytes(os.urandom(500))
    with pytest.raises(StoreError) as caught:
        restore(target, path, force=True)
    assert caught.value.code == "store.restore-loses" and "cannot be known" in caught.value.message
    assert "--force --discard" in (caught.value.fix or "")
    assert restore(target, path, force=True, discard=True).epoch == 4
    assert shown(path) == shown(target)


@pytest.mark.parametrize(
    ("data", "beside", "needs"),
    [
        (b"title,runtime\nHeat,170\n", None, True),  # a table, which is somebody's
        (b"SQLite format 3\x00" + bytes(9000), None, True),
        (b"SQL", None, True),
        (b"", b"", True),  # what was written last may be in the log beside it
        (b"", None, False),
    ],
)
def test_a_file_that_cannot_be_opened_is_somebodys(
    path: str, target: str, tmp_path: Path, data: bytes, beside: bytes | None, needs: bool
) -> None:
    fill(path)
    backup(path, target)
    other = tmp_path / "other.db"
    other.write_bytes(data)
    if beside is not None:
        Path(f"{other}-wal").write_bytes(beside)
    if needs:
        with pytest.raises(StoreError) as caught:
            restore(target, str(other), force=True)
        assert caught.value.code == "store.restore-loses" and "cannot be known" in caught.value.message
        assert other.read_bytes() == data and not leftovers(tmp_path)
    assert restore(target, str(other), force=True, discard=needs).epoch == 4
    assert shown(str(other)) == shown(path)


# -- other processes, and ones that die --------------------------------------------------------------------------------


def test_others_read_and_write_while_a_backup_is_made(path: str, target: str) -> None:
    fill(path)
    writers = [start("write", path, who, 60) for who in range(2)]
    while any(writer.poll() is None for writer in writers):
        made = backup(path, target)
        store = SqliteStore(target, create=False)
        assert store.epoch() == made.epoch and list(store.verify()) == []
        store.close()
    for writer in writers:
        assert writer.communicate()[0] and writer.returncode == 0
    assert backup(path, target).epoch == 124
    assert shown(target, 3) == shown(path, 3)


def many(path: str, first: int, batches: int) -> None:
    """Enough deltas for several steps of a backup, and blocks."""
    store = SqliteStore(path, create=True, durability="memory")
    for number in range(batches):
        write(store, [said(first + number * BATCH_ROWS + part) for part in range(BATCH_ROWS)])
    with store.writing():
        store.chunks.put([Block.chunk(b"%d" % first)])
    store.close()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_backup_that_is_killed_leaves_the_old_one(path: str, target: str, is_first: bool) -> None:
    many(path, 0, 1)
    if not is_first:
        backup(path, target)
        many(path, 10_000, 2)
    for step in range(2 if is_first else 3):
        process = start("backup", path, target, step)
        while line(process).split()[0] != str(step):
            pass
        process.kill()
        process.communicate()
        if is_first:
            assert not os.path.exists(target)
        else:
            store = SqliteStore(target, create=False)
            assert store.epoch() == 1 and list(store.verify()) == []
            store.close()
    made = backup(path, target)
    store = SqliteStore(target, create=False)
    assert store.epoch() == made.epoch == (1 if is_first else 3) and list(store.verify()) == []
    store.close()


def test_backups_that_are_killed_at_any_time(path: str, target: str) -> None:
    """Whenever: the backup is valid, and one that follows completes it."""
    chance = random.Random(7)
    newest = 0
    for turn in range(8):
        many(path, turn * 10_000, 2)
        process = start("backup", path, target)
        time.sleep(0.1 + chance.random() * 0.25)
        process.kill()
        process.communicate()
        if os.path.exists(target):
            store = SqliteStore(target, create=False)
            assert newest <= store.epoch() <= 2 * (turn + 1) and list(store.verify()) == []
            newest = store.epoch()
            store.close()
    assert backup(path, target).epoch == 16
    assert shown(target, 2) == shown(path, 2)


def test_a_restore_that_is_killed_leaves_the_old_file(path: str, target: str) -> None:
    many(path, 0, 2)
    backup(path, target)
    many(path, 10_000, 1)
    for step in range(3):
        process = start("restore", target, path, step)
        while line(process).split()[0] != str(step):
            pass
        process.kill()
        process.communicate()
        store = SqliteStore(path, create=False)
        assert store.epoch() == 3 and list(store.verify()) == []
        store.close()
    assert restore(target, path, force=True, discard=True).epoch == 2


def test_what_a_killed_backup_left_behind_is_removed_by_the_next(path: str, target: str, tmp_path: Path) -> None:
    many(path, 0, 1)
    processes = [start("backup", path, target, 0) for _ in range(2)]
    for process in processes:
        assert line(process).startswith("0")
    processes[0].kill()
    processes[0].communicate()
    for name in leftovers(tmp_path):
        os.utime(tmp_path / name, (0, 0))
    backup(path, str(tmp_path / "another.db"))
    assert len([name for name in leftovers(tmp_path) if name.endswith(".part")]) == 2, "of another name"
    backup(path, target)
    assert len([name for name in leftovers(tmp_path) if name.endswith(".part")]) == 1, "somebody is at work on it"
    processes[1].kill()
    processes[1].communicate()


def test_a_backup_that_was_killed_just_after_it_got_its_name(path: str, target: str, tmp_path: Path) -> None:
    """It has two names then. The other one goes, and the backup stays."""
    fill(path)
    backup(path, target)
    left = tmp_path / f".backup.db.{'0' * 16}.part"
    os.link(target, left)
    os.utime(left, (0, 0))
    before = Path(target).read_bytes()
    restore(path, str(tmp_path / "other.db"))
    assert left.exists()
    with pytest.raises(StoreError):
        restore(str(tmp_path / "none.db"), target, force=True)
    fill(path, first=20)
    restore(path, target, force=True)
    assert not left.exists() and Path(target).read_bytes() != before
    assert shown(target) == shown(path)


# -- what a restore must not take away ---------------------------------------------------------------------------------


def test_a_restore_takes_nothing_away_from_a_folder_that_only_has_the_name_of_an_index(
    path: str, target: str, tmp_path: Path
) -> None:
    fill(path)
    backup(path, target)
    notes = tmp_path / "notes"
    folder = tmp_path / "notes-index"
    folder.mkdir()
    for name in ("thesis.txt", "x.seg", "0123456789ABCDEF.seg", "0123456789abcdef.seg"):
        (folder / name).write_text("precious")
    restore(target, str(notes))
    assert {"thesis.txt", "x.seg", "0123456789ABCDEF.seg"} <= {each.name for each in folder.iterdir()}
    assert (folder / "thesis.txt").read_text() == "precious" and not (folder / "0123456789abcdef.seg").exists()
    assert shown(str(notes)) == shown(path)
    store = SqliteStore(str(notes), create=False)
    assert store.storage().segments == len(list(folder.glob("*.seg"))) - 2
    store.close()


@pytest.mark.parametrize("kind", ["folder", "fifo"])
@pytest.mark.parametrize("force", [False, True])
def test_a_restore_does_not_begin_where_no_file_can_be(
    path: str, target: str, tmp_path: Path, kind: str, force: bool
) -> None:
    fill(path)
    backup(path, target)
    site = tmp_path / "site"
    site.mkdir() if kind == "folder" else os.mkfifo(site)
    (tmp_path / "site-index").mkdir()
    (tmp_path / "site-index" / "0123456789abcdef.seg").write_text("of another")
    with pytest.raises(StoreError) as caught:
        restore(target, str(site), force=force)
    assert caught.value.code == "store.unreadable" and "nothing was restored" in caught.value.message
    assert (tmp_path / "site-index" / "0123456789abcdef.seg").exists() and not leftovers(tmp_path)


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_restore_does_not_remove_what_only_has_the_name_of_a_log(
    path: str, target: str, tmp_path: Path, end: str
) -> None:
    fill(path)
    backup(path, target)
    (tmp_path / f"notes{end}").write_text("precious")
    with pytest.raises(StoreError) as caught:
        restore(target, str(tmp_path / "notes"))
    assert caught.value.code == "store.unreadable" and "is in the way" in caught.value.message
    assert (tmp_path / f"notes{end}").read_text() == "precious"


def test_a_restore_through_a_link(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    backup(path, target)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    restore(target, str(link), force=True)
    assert link.is_symlink() and shown(path) == shown(target)


def test_an_index_that_is_a_link_is_left_alone(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    backup(path, target)
    other = tmp_path / "of-another"
    other.mkdir()
    (other / "0123456789abcdef.seg").write_text("of another")
    Path(path + "-index").exists() and shutil.rmtree(path + "-index")
    Path(path + "-index").symlink_to(other)
    restore(target, path, force=True)
    store = SqliteStore(path, create=False)
    store.rebuild_index()
    store.close()
    compact(path)
    assert (other / "0123456789abcdef.seg").read_text() == "of another"
    assert shown(path) == shown(target)


def test_a_restore_says_what_would_be_lost(path: str, target: str, tmp_path: Path) -> None:
    fill(path)
    backup(path, target)
    other = str(tmp_path / "other.db")
    fill(other, 50, 2)  # 4 deltas, 2 that are held back, 2 blocks
    before = shown(other)
    with pytest.raises(StoreError) as caught:
        restore(target, other, force=True)
    assert caught.value.code == "store.restore-loses" and "8 deltas and blocks" in caught.value.message
    assert "--discard" in (caught.value.fix or "")
    assert shown(other) == before and not leftovers(tmp_path)
    with pytest.raises(StoreError) as caught:
        restore(target, other, discard=True)
    assert caught.value.code == "store.exists"
    assert restore(target, other, force=True, discard=True).discarded == 8
    assert shown(other) == shown(path)


def test_a_restore_counts_what_came_after_the_backup(path: str, target: str) -> None:
    fill(path)
    backup(path, target)
    assert restore(target, path, force=True).discarded == 0
    store = SqliteStore(path, create=False)
    write(store, [said(700)])
    store.close()
    with pytest.raises(StoreError) as caught:
        restore(target, path, force=True)
    assert "1 delta or block" in caught.value.message
    assert restore(target, path, force=True, discard=True).discarded == 1


@settings(max_examples=10)
@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 9), unique=True))
def test_what_is_lost_is_what_only_the_old_file_has(
    tmp_path_factory: pytest.TempPathFactory, ours: list[int], theirs: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("lost")
    files = [str(folder / name) for name in ("saved.db", "old.db")]
    for file, numbers in zip(files, (ours, theirs), strict=True):
        store = SqliteStore(file, create=True)
        for number in numbers:
            write(store, [said(number)])
        store.close()
    made = restore(*files, force=True, discard=True)
    assert made.discarded == len({*theirs} - {*ours})


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_who_has_a_file_open_that_is_replaced_is_told_so(path: str, target: str, tmp_path: Path, mode: str) -> None:
    fill(path)
    backup(path, target)
    store = SqliteStore(path, create=False)
    store.file.run(f"PRAGMA journal_mode={mode}")
    shutil.copy(target, tmp_path / "other.db")
    os.rename(tmp_path / "other.db", path)
    for end in ("-wal", "-shm"):
        Path(path + end).unlink(missing_ok=True)
    asks = [lambda: write(store, [said(800)])]
    if mode == "delete":  # SQLite itself looks then
        asks.append(lambda: store.file.run("DELETE FROM name"))
    for ask in asks:
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.code == "store.unreadable" and "replaced while it was open" in caught.value.message

"""Files that are not ours, too new, cut short or altered: only our own errors, and the record by name."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import KEYS, NOW, delta, everything, said, write

from rhizomedb.db.connection import connect
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, COLUMNS, Cut, Store, folder, open_store, release_due
from rhizomedb.store.check import ranges, verify
from rhizomedb.store.folder import Folder
from rhizomedb.store.frame import frame
from rhizomedb.store.layout import FORMAT, Mark, seal
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Finding

SAID = [
    delta(*(Fact(b"e%d" % (n % 5), "n%d" % (n % 3), n, [Cid.of(b"%d" % n)]) for n in range(at, at + 40)), ms=at)
    for at in range(0, 400, 40)
]
LONG = delta(Fact(b"E" * 99, "A" * 99, "V" * 999), Fact(b"e1", "n1", 1, [Cid.of(b"1")]), key=KEYS[1], edge=b"edge" * 30)
HELD = said(1, ms=NOW, group=Group(b"g", 2))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a bit of everything, closed; the first nine deltas are indexed in a file, the last two are not."""
    path = str(tmp_path_factory.mktemp("sound") / "sound.db")
    store = SqliteStore(path, create=True)
    for at in range(0, len(SAID), 3):
        if at == 9:
            assert store.rebuild_index() == []
        write(store, SAID[at : at + 3])
    write(store, [LONG])
    with store.writing():
        store.hold(HELD, NOW, "peer", NOW + 1, "its clock is ahead")
        store.name(KEYS[0].public, "ada")
    assert list(store.verify()) == []
    store.close()
    return path


def settled(sound: str, path: str) -> str:
    """A copy of a file and of its index, which passes for one that was made where it is now."""
    for end in ("-wal", "-shm"):
        Path(path + end).unlink(missing_ok=True)
    shutil.rmtree(f"{path}-index", ignore_errors=True)
    shutil.copy(sound, path)
    shutil.copytree(f"{sound}-index", f"{path}-index")
    connection = apsw.Connection(path)
    connection.execute("UPDATE home SET place = ?", (Folder(path).place(),))
    connection.close()
    return path


@pytest.fixture
def copy(sound: str, path: str) -> str:
    return settled(sound, path)


@pytest.fixture(scope="module")
def shown(sound: str) -> dict[Any, Any]:
    """All that the file says."""
    store = SqliteStore(sound, create=False)
    said = answers(store)
    store.close()
    return said


def answers(store: Store) -> dict[Any, Any]:
    """All that a store shows, but for names and deltas held back: those rows carry no seal."""
    said = everything(store, (ALL, Cut(epoch=3), Cut(until=99), Cut(authors=frozenset([KEYS[1].public]))))
    del said["names"], said["held"]
    return said


def segments(path: str) -> list[Path]:
    return sorted(Path(f"{path}-index").iterdir())


def alter(path: str, *statements: str, bindings: tuple[object, ...] = ()) -> None:
    """Change a file behind the back of the store."""
    connection = apsw.Connection(path)
    for statement in statements:
        connection.execute(statement, bindings if "?" in statement else ())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def code_of_opening(path: str, create: bool = False) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(path, create=create)
    assert os.path.basename(path) in str(caught.value)
    return caught.value.code


# -- what cannot be opened -----------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert code_of_opening(str(tmp_path / "none.db")) == "store.not-found"
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "no" / "such.db")
    assert caught.value.code == "store.unreadable" and "mkdir" in (caught.value.fix or "")
    assert not (tmp_path / "none.db").exists()


def test_a_folder_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert code_of_opening(str(tmp_path / "folder")) == code_of_opening(str(tmp_path / "pipe")) == "store.unreadable"


@pytest.mark.parametrize(
    "content", [b"id,title\n1,Heat\n", b"SQLite", b"\x00" * 5000, b"SQLite format 3\x00" + b"\xff" * 5000]
)
@pytest.mark.parametrize("create", [True, False])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes, create: bool) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(content)
    assert code_of_opening(str(path), create) == "store.not-a-database"
    assert path.read_bytes() == content


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = str(tmp_path / "other.db")
    alter(path, "CREATE TABLE film(title)")
    assert code_of_opening(path, create=True) == "store.not-a-database"
    alter(path, "PRAGMA application_id=77")
    assert code_of_opening(path) == "store.not-a-database"


def test_an_empty_file_is_made_a_database_only_if_asked(tmp_path: Path) -> None:
    path = str(tmp_path / "films.db")
    Path(path).touch()
    assert code_of_opening(path) == "store.not-a-database"
    write(open_store(path), [said(1)])


def test_a_newer_format(copy: str) -> None:
    alter(copy, f"PRAGMA user_version={FORMAT + 1}")
    assert code_of_opening(copy) == "store.newer-format"


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE held",
        "DROP INDEX held_id",
        "DROP TABLE mark",
        "DROP TABLE segment",
        "CREATE TABLE more(a)",
        "ALTER TABLE log ADD COLUMN more INT",
        "CREATE VIEW v AS SELECT * FROM log",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log; END",
        "PRAGMA user_version=0",
    ],
)
def test_tables_that_are_not_ours(copy: str, change: str) -> None:
    alter(copy, change)
    assert code_of_opening(copy) == "store.damaged"


def test_a_file_that_cannot_be_written_can_be_read(copy: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser can write everything")
    os.chmod(copy, 0o444)
    store = SqliteStore(copy, create=False)
    assert store.counts(ALL)["deltas"] == 11
    with pytest.raises(StoreError) as caught:
        write(store, [said(1)])
    assert caught.value.code == "store.read-only"


def test_a_full_disk(copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(copy, create=False)
    pages = store._file.run("PRAGMA page_count")[0][0]
    store._file.run(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError) as caught:
        write(store, [delta(*(Fact(b"%d" % n, "n", "t" * 200) for n in range(2000)))])
    assert caught.value.code == "store.full" and f"rhizome compact {copy}" in (caught.value.fix or "")
    assert store.counts(ALL)["deltas"] == 11 and list(store.verify()) == []


def test_names_that_sqlite_takes_for_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:x?mode=memory", "ä ' \" ;.db", "%41.db"):
        write(open_store(name), [said(1)])
        assert (tmp_path / name).stat().st_size > 0
        assert list(open_store(name, create=False).verify()) == []


# -- what was altered ------------------------------------------------------------------------------------------------------

HEAD = "substr(frame, 1, 17)"


@pytest.mark.parametrize(
    ("change", "record"),
    [
        # the log
        ("UPDATE log SET frame = CAST(substr(frame, 1, 500) || x'00' || substr(frame, 502) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(x'00' || substr(frame, 2) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(x'07' || substr(frame, 2) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(substr(frame, 1, 9) || x'5aa5' || substr(frame, 12) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(frame || x'00' AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(frame || x'00' AS BLOB) WHERE seq = 11", "delta 11"),
        ("UPDATE log SET frame = CAST(substr(frame, 1, length(frame) - 1) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = CAST(substr(frame, 1, length(frame) - 4) AS BLOB) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = x'' WHERE seq = 4", "delta 4"),
        ("UPDATE log SET frame = (SELECT frame FROM log WHERE seq = 5) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET epoch = 1 WHERE seq = 5", "delta 5"),
        ("UPDATE log SET epoch = 3 WHERE seq = 6", "delta 6"),
        ("UPDATE log SET epoch = 99 WHERE seq = 5", "delta 5"),
        ("UPDATE log SET seq = 12 WHERE seq = 11", "delta 1"),
        ("DELETE FROM log WHERE seq = 4", "delta 4"),
        ("DELETE FROM log WHERE seq = 11", "index"),
        ("INSERT INTO log SELECT 12, epoch, frame FROM log WHERE seq = 11", "delta 12"),
        ("INSERT INTO log SELECT 1000000000000, epoch, frame FROM log WHERE seq = 11", ""),
        # epochs
        ("DELETE FROM epoch WHERE number = 2", "epochs"),
        ("DELETE FROM epoch WHERE number = 5", "delta 11"),
        ("UPDATE epoch SET at_ms = at_ms + 1 WHERE number = 2", "epoch 2"),
        ("UPDATE epoch SET origin = 'x' WHERE number = 5", "epoch 5"),
        ("UPDATE epoch SET seal = zeroblob(8) WHERE number = 1", "epoch 1"),
        ("UPDATE epoch SET seal = x'' WHERE number = 1", "epoch 1"),
        ("INSERT INTO epoch VALUES (1000000000000, 1, '', x'')", "epochs"),
        # what of the index is in the file
        *((f"UPDATE mark SET {column} = {column} - 1 WHERE epoch = 2", "index epoch 2")
          for column in ("deltas", "facts", "causes", "repeats", "ms", "counter")),
        ("UPDATE mark SET ms = 0 WHERE epoch = 5", "index epoch 5"),
        ("UPDATE mark SET seal = zeroblob(8) WHERE epoch = 5", "index epoch 5"),
        ("DELETE FROM mark WHERE epoch = 2", "index epoch 2"),
        ("INSERT INTO mark SELECT 99, deltas, facts, causes, repeats, ms, counter, seal FROM mark WHERE epoch = 5", "index mark"),
        ("UPDATE segment SET seal = zeroblob(16)", "index segment"),
        ("UPDATE segment SET size = size + 1", "index segment"),
        ("UPDATE segment SET last = 8", "index segment"),
        ("UPDATE segment SET last = 10", "index segment"),
        ("UPDATE segment SET last = 12", "index"),
        ("INSERT INTO segment SELECT 12, name, size, seal FROM segment", "index"),
        # the rest
        ("UPDATE held SET envelope = CAST(substr(envelope, 1, 90) || x'00' AS BLOB)", f"held delta 1 ({HELD.id})"),
        ("UPDATE held SET id = zeroblob(32)", "held delta 1"),
        ("UPDATE held SET id = zeroblob(3)", "held delta 1"),
        ("UPDATE held SET author = zeroblob(32)", "held delta 1"),
        ("UPDATE held SET group_id = x'00'", "held delta 1"),
        ("UPDATE held SET group_size = 3", f"held delta 1 ({HELD.id})"),
        ("UPDATE name SET author = x'00'", "name of 00"),
    ],
)  # fmt: skip
def test_verify_names_what_was_altered(copy: str, shown: dict[Any, Any], change: str, record: str) -> None:
    alter(copy, change)
    findings = list(verify(copy))
    assert any(finding.record.startswith(record) for finding in findings), findings
    records = {finding.record for finding in findings}
    assert len(records) < 20, "one altered row does not put everything else under suspicion"
    if "held" not in change:
        check_answers(copy, shown)


def test_many_epochs_are_one_finding(copy: str) -> None:
    alter(copy, "UPDATE mark SET deltas = 0 WHERE epoch IN (1, 2, 3, 5)")
    assert [each.record for each in verify(copy)] == ["index epochs 1 to 3, 5"]


@given(st.sets(st.integers(1, 60), min_size=1))
def test_ranges_say_every_number_once(numbers: set[int]) -> None:
    words, _, rest = ranges(sorted(numbers)).partition(" and ")
    said: list[int] = []
    for stretch in words.split(", "):
        first, _, last = stretch.partition(" to ")
        said += range(int(first), int(last or first) + 1)
    assert said == sorted(numbers)[: len(said)]
    assert len(said) + (int(rest.split()[0]) if rest else 0) == len(numbers)


def check_answers(path: str, shown: dict[Any, Any]) -> bool:
    """Whether the file gives the answers that it gave before; else it is refused in our words."""
    store: SqliteStore | None = None
    try:
        store = SqliteStore(path, create=False, wait_ms=0)
        said = answers(store)
    except Error:
        return False
    finally:
        if store is not None:
            store.close()
    assert said.keys() == shown.keys()
    different = [key for key in shown if said[key] != shown[key]]
    if different in (["envelopes"], ["envelopes", "since 2"]):  # whoever decodes them finds out
        pairs = list(zip(said["envelopes"], shown["envelopes"], strict=True))
        assert all(one == other or not one[1] for one, other in pairs)
    else:
        assert different == []
    return not different


def test_an_altered_envelope_that_is_indexed_stops_nothing_else(copy: str) -> None:
    alter(copy, "UPDATE log SET frame = zeroblob(300) WHERE seq IN (4, 9)")
    store = SqliteStore(copy, create=False)
    records = [finding.record for finding in store.verify()]
    assert [record for record in records if not record.startswith("index")] == ["delta 4", "delta 9"]
    assert len(list(store.envelopes())) == 11 and store.counts(ALL)["facts"] == 401


def test_an_altered_envelope_that_is_not_indexed_yet_is_refused_by_name(copy: str) -> None:
    alter(copy, "UPDATE log SET frame = zeroblob(300) WHERE seq = 10")
    store = SqliteStore(copy, create=False)
    with pytest.raises(StoreError) as caught:
        store.counts(ALL)
    assert caught.value.code == "store.damaged" and "delta 10 " in caught.value.message
    assert next(iter(store.verify())).record == "delta 10"
    assert [finding.record for finding in store.rebuild_index()] == ["delta 10"]
    assert store.counts(ALL)["deltas"] == 11 - 1


def test_a_delta_whose_frame_was_made_by_somebody_else_is_found_by_its_signature(copy: str) -> None:
    """The hash in a frame tells damage, not forgery."""
    envelope = SAID[3].encode()
    forged = envelope.replace(b"en1", b"en2", 1)
    assert forged == envelope or len(forged) == len(envelope)
    forged = envelope[:-1] + bytes([envelope[-1] ^ 1])
    alter(copy, "UPDATE log SET frame = ? WHERE seq = 4", bindings=(frame(4, 2, forged),))
    assert any(finding.record.startswith("delta 4") for finding in verify(copy))
    again = shutil.copy(copy, f"{copy}.moved.db")  # its index is not believed: it is made again, signatures and all
    with pytest.raises(StoreError) as caught:
        SqliteStore(again, create=False).counts(ALL)
    assert caught.value.code == "store.damaged" and "delta 4" in caught.value.message


@pytest.mark.parametrize("table", ["mark", "segment", "home"])
def test_an_index_can_be_made_anew(copy: str, sound: str, table: str) -> None:
    alter(copy, f"DELETE FROM {table} WHERE rowid % 2 = 1")
    store = SqliteStore(copy, create=False)
    assert store.rebuild_index() == [] and list(store.verify()) == []
    assert rows_of(copy) == rows_of(sound), "an index made anew is the index that was"
    assert write(store, [said(77)]) == 6


def rows_of(path: str) -> dict[str, list[object]]:
    connection = apsw.Connection(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in tables}
    connection.close()
    del rows["segment"], rows["home"]  # which segments there are says when they were made, and home where
    return rows


def test_a_rebuild_leaves_out_what_is_not_intact(copy: str) -> None:
    alter(copy, "UPDATE log SET frame = zeroblob(300) WHERE seq IN (1, 4, 11)", "DELETE FROM log WHERE seq = 6")
    store = SqliteStore(copy, create=False)
    assert [finding.record for finding in store.rebuild_index()] == ["delta 1", "delta 4", "delta 6", "delta 11"]
    left = [each for place, each in enumerate(SAID, start=1) if place not in (1, 4, 6)]
    assert {row[0] for row in store.scan("delta", {}, ALL)} == {each.id for each in left}
    assert len(list(store.scan("fact", {}, ALL))) == 40 * len(left)
    assert {finding.record for finding in store.verify()} == {"delta 1", "delta 4", "delta 6", "delta 11"}
    write(store, [SAID[3]])
    assert store.has(SAID[3].id), "it can come again from elsewhere"
    store.close()
    again = SqliteStore(copy, create=False)
    assert again.has(SAID[3].id) and len(list(again.scan("fact", {}, ALL))) == 40 * len(left) + 40


ENDS = [
    ("DELETE FROM mark WHERE epoch = 5", "DELETE FROM epoch WHERE number = 5"),
    ("DELETE FROM mark", "DELETE FROM epoch WHERE number = 5"),
    ("DELETE FROM mark", "DELETE FROM epoch"),
    ("DELETE FROM epoch WHERE number = 5",),
    ("INSERT INTO log SELECT 12, epoch, frame FROM log WHERE seq = 11",),
]


@pytest.mark.parametrize("changes", ENDS)
def test_a_log_that_goes_on_where_its_epochs_end_is_not_opened(copy: str, changes: tuple[str, ...]) -> None:
    alter(copy, *changes)
    with pytest.raises(StoreError) as caught:
        SqliteStore(copy, create=False)
    assert caught.value.code == "store.damaged" and "--salvage" in (caught.value.fix or "")
    assert list(verify(copy))


@pytest.mark.parametrize("changes", [*ENDS, ("DELETE FROM mark WHERE epoch = 5",)])
def test_nor_read_on_when_it_came_to_be_so_while_it_was_open(copy: str, changes: tuple[str, ...]) -> None:
    store = SqliteStore(copy, create=False)
    assert store.epoch() == 5
    alter(copy, *changes)
    for ask in (store.epoch, store.epochs, lambda: store.counts(ALL), lambda: write(store, [said(1)])):
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.code == "store.damaged"


def test_an_epoch_that_is_missing_in_the_middle_is_missed(copy: str) -> None:
    alter(copy, "DELETE FROM epoch WHERE number = 3")
    store = SqliteStore(copy, create=False)
    assert [epoch.number for epoch in store.epochs(3)] == [4, 5]
    for ask in (store.epochs, lambda: store.epochs(2), store.rebuild_index):
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.code == "store.damaged" and "--salvage" in (caught.value.fix or "")


def test_a_held_delta_that_was_altered_stays_where_it_is(copy: str) -> None:
    alter(copy, "UPDATE held SET envelope = CAST(substr(envelope, 1, 90) || x'00' AS BLOB)")
    store = SqliteStore(copy, create=False)
    admission = release_due(store, NOW + 9)
    assert [refusal.error.code for refusal in admission.refused] == ["store.damaged"]
    assert len(store.held()) == 1 and store.counts(ALL)["deltas"] == 11


# -- what happens to the files of the index --------------------------------------------------------------------------------


def _cut(path: str) -> None:
    for file in segments(path):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _empty(path: str) -> None:
    for file in segments(path):
        file.write_bytes(b"")


def _lengthen(path: str) -> None:
    for file in segments(path):
        file.write_bytes(file.read_bytes() + b"\0")


def _remove(path: str) -> None:
    for file in segments(path):
        file.unlink()


def _remove_all(path: str) -> None:
    shutil.rmtree(f"{path}-index")


def _make_a_file(path: str) -> None:
    shutil.rmtree(f"{path}-index")
    Path(f"{path}-index").write_bytes(b"mine")


def _make_folders(path: str) -> None:
    for file in segments(path):
        file.unlink()
        file.mkdir()


def _make_pipes(path: str) -> None:
    for file in segments(path):
        file.unlink()
        os.mkfifo(file)


def _link(path: str) -> None:
    for file in segments(path):
        file.unlink()
        file.symlink_to("/dev/zero")


def _swap(path: str) -> None:
    """Put the index of another file with as many deltas in its place."""
    other = SqliteStore(f"{path}.other", create=True)
    write(other, [said(number) for number in range(9)])
    assert other.rebuild_index() == []
    other.close()
    for file, another in zip(segments(path), segments(f"{path}.other"), strict=True):
        size = file.stat().st_size
        file.write_bytes(another.read_bytes()[:size].ljust(size, b"\0"))


def _zero(path: str) -> None:
    for file in segments(path):
        file.write_bytes(bytes(file.stat().st_size))


def _fill_with_others(path: str) -> None:
    for number in range(30):
        (Path(f"{path}-index") / f"{number:016x}.seg").write_bytes(b"RhizSeg\x01" + os.urandom(900))


LOSSES = [_cut, _empty, _lengthen, _remove, _remove_all, _make_a_file, _make_folders, _make_pipes, _link, _swap, _zero,
          _fill_with_others]  # fmt: skip


@pytest.mark.parametrize("lose", LOSSES)
def test_an_index_that_is_lost_changes_no_answer(copy: str, shown: dict[Any, Any], lose: Callable[[str], None]) -> None:
    lose(copy)
    assert check_answers(copy, shown), "it is made again"
    store = SqliteStore(copy, create=False)
    write(store, [said(number) for number in range(5)])
    assert store.counts(ALL)["deltas"] == 16
    store.close()
    store = SqliteStore(copy, create=False)
    assert store.counts(ALL)["deltas"] == 16
    assert store.rebuild_index() == [] and list(store.verify()) == []
    store.close()


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("lose", LOSSES)
def test_an_index_that_is_lost_while_it_is_used_changes_no_answer(
    copy: str, shown: dict[Any, Any], lose: Callable[[str], None], is_mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_mapped:
        if lose in (_zero, _swap):
            pytest.skip("what somebody writes into a file while it is mapped is beyond what can be kept")
        monkeypatch.setattr(folder, "READ_BYTES_MAX", 0)
    store = SqliteStore(copy, create=False)
    assert store.counts(ALL)["deltas"] == 11
    lose(copy)
    assert answers(store) == shown
    write(store, [said(number) for number in range(5)])
    assert store.counts(ALL)["deltas"] == 16
    store.close()


@pytest.mark.parametrize("number", [1, 3, 4])
@pytest.mark.parametrize("column", ["deltas", "facts", "causes", "repeats", "ms", "counter"])
def test_the_marks_of_a_copy_are_not_believed_either(sound: str, tmp_path: Path, number: int, column: str) -> None:
    path = str(shutil.copy(sound, tmp_path / "copy.db"))
    connection = apsw.Connection(path)
    (row,) = connection.execute("SELECT * FROM mark WHERE epoch = ?", (number,))
    mark = Mark(*row[:-1])
    altered = mark._replace(**{column: getattr(mark, column) - 1})
    connection.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*altered, seal(*altered)))
    connection.close()
    store = SqliteStore(path, create=False)
    with pytest.raises(StoreError) as caught:
        store.totals(number)
    assert caught.value.code in ("store.index-damaged", "store.damaged")
    assert caught.value.fix is not None
    assert store.rebuild_index() == []
    assert store.totals(number) == (mark.deltas, mark.facts)
    assert list(store.verify()) == []
    store.close()


@pytest.mark.parametrize("with_index", [False, True])
def test_a_copy_elsewhere_makes_its_index_again(
    copy: str, shown: dict[Any, Any], tmp_path: Path, with_index: bool
) -> None:
    other = str(tmp_path / "elsewhere" / "other.db")
    os.mkdir(os.path.dirname(other))
    shutil.copy(copy, other)
    if with_index:
        shutil.copytree(f"{copy}-index", f"{other}-index")
        for file in segments(other):  # it is not even looked at
            file.write_bytes(os.urandom(file.stat().st_size))
    assert check_answers(other, shown)
    store = SqliteStore(other, create=False)
    write(store, [said(1)])
    assert list(store.verify()) == []
    store.close()


def test_every_byte_of_a_segment_counts(copy: str, shown: dict[Any, Any]) -> None:
    (file,) = segments(copy)
    content = file.read_bytes()
    places = {*range(0, 900, 7), *range(900, len(content), 331), *range(len(content) - 24, len(content))}
    for place in sorted(places):
        broken = bytearray(content)
        broken[place] ^= 1 << place % 8
        file.write_bytes(broken)
        check_answers(copy, shown)
        assert any(finding.code == "store.index-damaged" for finding in verify(copy)), place
    file.write_bytes(content)
    assert check_answers(copy, shown) and list(verify(copy)) == []


# -- what was broken at random ---------------------------------------------------------------------------------------------


def use(path: str) -> tuple[int, int]:
    """Do everything with a file; how many things went well, and how many ended in one of our errors."""
    outcomes = [0, 0]
    store: Store | None = None

    def attempt(act: object) -> None:
        try:
            act()  # type: ignore[operator]
            outcomes[0] += 1
        except Error:
            outcomes[1] += 1

    try:
        store = SqliteStore(path, create=False, wait_ms=0)
    except Error:
        return 0, 1
    attempt(lambda: [finding.record for finding in store.verify()])
    for relation in COLUMNS:
        attempt(lambda relation=relation: list(store.scan(relation, {}, ALL)))
    attempt(lambda: list(store.scan("fact", {"entity": b"e1"}, Cut(epoch=3))))
    attempt(lambda: list(store.scan("fact", {"value": 8}, Cut(until=99))))
    attempt(lambda: list(store.envelopes()))
    for call in (store.epochs, store.held, store.names, store.last_time, lambda: store.envelope(SAID[0].id)):
        attempt(call)
    for summary in (store.attributes, store.counts, lambda cut: list(store.entities(cut))):
        attempt(lambda summary=summary: summary(ALL))
        attempt(lambda summary=summary: summary(Cut(until=99)))
    attempt(lambda: write(store, [said(99)]))
    attempt(store.rebuild_index)
    attempt(lambda: list(store.scan("fact", {}, ALL)))
    store.close()
    return outcomes[0], outcomes[1]


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes(sound: str, path: str, seed: int) -> None:
    rng = random.Random(seed)
    content = Path(sound).read_bytes()
    went_well = 0
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(rng.choice([1, 1, 4, 64])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.3:
            start = rng.randrange(len(broken))
            broken[start : start + rng.choice([16, 512, 4096])] = rng.randbytes(rng.choice([16, 512, 4096]))
        settled(sound, path)
        Path(path).write_bytes(broken)
        went_well += use(path)[0]
    assert went_well > 60, "what is intact can still be read"


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_byte_changes_no_answer(sound: str, path: str, shown: dict[Any, Any], seed: int) -> None:
    """Either the file is refused, or it says what it said."""
    rng = random.Random(seed)
    went_well = 0
    for _ in range(80):
        settled(sound, path)
        content = bytearray(Path(path).read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        Path(path).write_bytes(content)
        went_well += check_answers(path, shown)
    assert went_well > 10


def test_files_cut_short(sound: str, path: str) -> None:
    rng = random.Random(5)
    content = Path(sound).read_bytes()
    for size in [1, 15, 16, 99, 100, 511, 4095, 4096, 4097, 8192, *(rng.randrange(len(content)) for _ in range(30))]:
        Path(path).write_bytes(content[:size])
        for end in ("-wal", "-shm"):
            Path(path + end).unlink(missing_ok=True)
        use(path)


def test_a_write_ahead_log_cut_short_or_flipped_gives_whole_transactions(tmp_path: Path) -> None:
    rng = random.Random(9)
    path = str(tmp_path / "films.db")
    store = SqliteStore(path, create=True)
    for number in range(12):
        write(store, [said(number), said(number + 100)])
    files = {end: Path(path + end).read_bytes() for end in ("", "-wal")}
    store.close()
    epochs = set()
    for trial in range(60):
        target = str(tmp_path / f"{trial}.db")
        wal = bytearray(files["-wal"])
        place = rng.randrange(32, len(wal))
        if trial % 2:
            del wal[place:]
        else:
            wal[place] ^= 1 << rng.randrange(8)
        Path(target).write_bytes(files[""])
        Path(target + "-wal").write_bytes(wal)
        try:
            again = SqliteStore(target, create=False)
        except StoreError as error:
            assert error.code == "store.not-a-database", "not even its making was whole"
            continue
        assert again.counts(ALL)["deltas"] == 2 * again.epoch() and list(again.verify()) == []
        epochs.add(again.epoch())
        again.close()
    assert len(epochs) > 3


# -- segments that somebody made up ----------------------------------------------------------------------------------------

BACKENDS = ["python", "rust"]

CRAFTED = Path(__file__).with_name("crafted_segments.py")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(2))
def test_a_crafted_segment_never_crashes_or_hangs(copy: str, backend: str, seed: int) -> None:
    """Its sums and its seal are right, and all else may be anything: whoever made it can write to the folder."""
    done = subprocess.run(
        [sys.executable, str(CRAFTED), copy, str(seed)],
        env={**os.environ, "RHIZOMEDB_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "backend.missing" in done.stderr:
        pytest.skip("there are no kernels here")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (apsw.SQLITE_NOMEM, "store.memory"),
        (apsw.SQLITE_INTERRUPT, "store.interrupted"),
        (apsw.SQLITE_TOOBIG, "store.too-big"),
        (apsw.SQLITE_CORRUPT, "store.damaged"),
    ],
)
def test_what_is_no_damage_is_not_called_so(path: str, code: int, expected: str) -> None:
    store = SqliteStore(path, create=True)
    error = store._file._as_ours(apsw.exception_for(code))
    assert error.code == expected
    store.close()


def test_too_much_in_one_value_is_no_damage(path: str) -> None:
    store = SqliteStore(path, create=True)
    assert store._file._connection is not None
    store._file._connection.limit(apsw.SQLITE_LIMIT_LENGTH, 5_000)
    with pytest.raises(StoreError) as caught:
        store._file.run("SELECT zeroblob(9000)")
    assert caught.value.code == "store.too-big"
    store.close()


@pytest.mark.parametrize("what", ["run", "run_many", "close", "close the store"])
def test_each_way_into_a_file_is_for_the_thread_that_opened_it(path: str, what: str) -> None:
    store = SqliteStore(path, create=True)
    acts: dict[str, Callable[[], object]] = {
        "run": lambda: store._file.run("SELECT 1"),
        "run_many": lambda: store._file.run_many("SELECT ?", [(1,)]),
        "close": store._file.close,
        "close the store": store.close,
    }
    caught: list[str] = []

    def act() -> None:
        try:
            acts[what]()
        except StoreError as error:
            caught.append(error.code)

    other = threading.Thread(target=act)
    other.start()
    other.join()
    assert caught == ["store.thread"]
    write(store, [said(1)])
    assert store.counts(ALL)["facts"] == 1, "it is open as before"
    store.close()
    store.close()


@pytest.mark.parametrize("another", [said(77), SAID[2]])
def test_a_delta_that_another_has_replaced_is_not_handed_on(copy: str, another: Delta) -> None:
    alter(copy, "UPDATE log SET frame = ? WHERE seq = 5", bindings=(frame(5, 2, another.encode()),))
    with connect(copy) as db:
        lost: list[Finding] = []
        handed_on = [delta.id for delta in db.deltas(lost=lost)]
        assert handed_on == [delta.id for place, delta in enumerate([*SAID, LONG], 1) if place != 5]
        assert [(each.record, each.message) for each in lost] == [("delta 5", "another delta stands in its place")]
        with pytest.raises(StoreError, match="delta 5 of"):
            list(db.deltas())
        among = [each.id for each in reversed(SAID[:6])]
        assert [delta.id for delta in db.get_deltas([*among, another.id], lost=lost)] == [
            each.id for place, each in enumerate(SAID[:6], 1) if place != 5
        ]
        assert [(each.record, each.message) for each in lost[1:]] == [("delta 5", "another delta stands in its place")]
        with pytest.raises(StoreError, match="delta 5 of"):
            list(db.get_deltas(among))
        assert list(db.get_deltas([LONG.id, said(78).id])) == [LONG], "what is not asked for is not looked at"


def test_what_is_sound_is_handed_on_without_an_index(copy: str) -> None:
    shutil.rmtree(f"{copy}-index")
    alter(copy, "UPDATE log SET frame = CAST(substr(frame, 1, 90) AS BLOB) WHERE seq = 5")
    with connect(copy) as db:
        lost: list[Finding] = []
        assert len(list(db.deltas(lost=lost))) == 10
        assert [(each.record, each.message) for each in lost] == [("delta 5", "it is not what was written")]

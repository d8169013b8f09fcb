"""The doctor: each ailment is made, found, said, and mended where it can be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.doctor import Ailment
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import AHEAD_MS_MAX, HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.manifest import Block
from rhizomedb.facts.signature import Key
from rhizomedb.store import file as files
from rhizomedb.store import indexed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "films.db"


@pytest.fixture
def films(path: Path, wall: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Connection]]:
    """A file with an index in files; gives a way to open it."""
    monkeypatch.setattr(indexed, "TAIL_DELTAS", 1)
    keyring = Keyring(tmp_path / "keys")

    def opened() -> Connection:
        return connect(path, author="alice", clock=wall, keyring=keyring)

    with opened() as db:
        db.transact([("Alien", "runtime", 117)])
        db.transact([("Heat", "runtime", 170)])
    yield opened


def found(db: Connection, **options: bool) -> list[tuple[str, bool, bool]]:
    return [(each.record, each.wrong, each.mended) for each in db.doctor(**options)]


def test_all_well(db: Connection, films: Callable[[], Connection]) -> None:
    assert db.doctor() == []
    with films() as file:
        assert file.doctor() == []


def test_blocks_that_nothing_names(db: Connection) -> None:
    chunk = Block.chunk(b"left by an attach that was interrupted")
    db.put_blocks([(chunk.cid, chunk.body)])
    (ailment,) = db.doctor()
    assert (ailment.record, ailment.wrong, ailment.fix) == (
        "attachments",
        False,
        "rhizome attachments FILE --collect",
    )
    db.collect_chunks()
    assert db.doctor() == []


def segments(path: Path) -> list[Path]:
    return sorted(Path(f"{path}-index").glob("*.seg"))


def test_a_segment_that_is_gone(films: Callable[[], Connection], path: Path) -> None:
    segments(path)[0].unlink()
    with films() as db:
        (ailment,) = db.doctor()
        assert (ailment.record, ailment.code, ailment.wrong) == ("index", "store.index-damaged", True)
        assert "is not there" in ailment.message and ailment.fix == "rhizome doctor FILE --rebuild-index"
        assert found(db, fix=True) == []  # whoever reads, makes it again
        assert db.doctor() == [] and db.get("Alien", "runtime") == 117


def test_a_segment_that_was_altered(films: Callable[[], Connection], path: Path) -> None:
    file = segments(path)[0]
    data = bytearray(file.read_bytes())
    data[40] ^= 0xFF
    file.write_bytes(data)
    with films() as db:
        assert [each.wrong for each in db.doctor()][:1] == [True]
        assert all(mended for _, _, mended in found(db, rebuild_index=True))
        assert db.doctor() == [] and db.get("Heat", "runtime") == 170


def test_an_index_of_another_place(films: Callable[[], Connection], path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    shutil.copytree(f"{path}-index", f"{copy}-index")
    with connect(copy, keyring=Keyring(tmp_path / "keys")) as db:
        (ailment,) = (each for each in db.doctor() if each.record == "index")
        assert not ailment.wrong and "made where the file was before" in ailment.message
        assert not [each for each in db.doctor() if each.record == "index" and not each.mended]


def test_files_that_were_left_behind(films: Callable[[], Connection], path: Path) -> None:
    left = Path(f"{path}-index") / f"{'0' * 16}.seg"
    left.write_bytes(b"half a segment")
    with films() as db:
        assert db.doctor() == [], "it may be about to be named"
        os.utime(left, (0, 0))
        assert found(db) == [("index", False, False)]
        assert found(db, fix=True) == [("index", True, True)]
        assert not left.exists() and db.doctor() == []


def test_an_index_folder_in_the_way(films: Callable[[], Connection], path: Path) -> None:
    shutil.rmtree(f"{path}-index")
    Path(f"{path}-index").write_text("a file")
    with films() as db:
        assert any("no folder that can be written" in each.message and each.wrong for each in db.doctor())


def test_a_delta_that_was_altered(films: Callable[[], Connection], path: Path) -> None:
    with apsw.Connection(str(path)) as file:
        file.execute(
            "UPDATE log SET frame = CAST(substr(frame, 1, 40) || zeroblob(8) || substr(frame, 49) AS BLOB) WHERE seq = 2"
        )
    with films() as db:
        assert any(each.record.startswith("delta 2") and each.wrong and not each.mended for each in db.doctor())
        assert not any(each.record.startswith("delta 2") for each in db.doctor(quick=True))


def test_what_is_held_back_and_what_it_waits_for(db: Connection, wall: Any) -> None:
    key = Key(b"\x07" * 32)
    ahead = Delta.sign(
        key, system="x", time=HybridTime(wall.ms + AHEAD_MS_MAX + 60_000, 0), facts=[Fact(b"e", "n", 1)], scope="seen"
    )
    part = Delta.sign(
        key,
        system="x",
        time=HybridTime(wall.ms, 0),
        facts=[Fact(b"e", "n", 2)],
        scope="seen",
        group=Group(b"group", 3),
    )
    db.admit([ahead.encode(), part.encode()], origin="peer")
    messages = {each.record: each.message for each in db.doctor()}
    assert all(not each.wrong for each in db.doctor())
    assert "held back until 2027-01-15" in messages[f"held delta …{ahead.id.short}"]
    assert "came by 'peer'" in messages[f"held delta …{ahead.id.short}"]
    assert "1 of 3 are here" in messages[f"held delta …{part.id.short}"]
    assert "still to come by this machine's clock" in messages["clock"]


def test_a_clock_that_was_set_back(db: Connection, wall: Any) -> None:
    db.transact([("Alien", "runtime", 117)])
    wall.forward(-3_600_000)
    messages = [each.message for each in db.doctor() if each.record == "clock"]
    assert len(messages) == 2 and "it was set back" in messages[1]


def test_keys(films: Callable[[], Connection], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    (keys / "bob.key").write_text("no key\n")
    (keys / "bob.key").chmod(0o600)
    (keys / "alice.key").chmod(0o644)
    with films() as db:
        ailments = {each.record: each for each in db.doctor()}
        assert ailments["key of bob"].code == "keys.malformed" and ailments["key of alice"].code == "keys.unsafe"
        assert ("key of alice", True, True) in found(db, fix=True)
    assert (keys / "alice.key").stat().st_mode & 0o777 == 0o600
    (keys / "alice.key").write_text("ab" * 32 + "\n")
    with films() as db:
        assert any(each.record == "name alice" and "another key than yours" in each.message for each in db.doctor())


def test_a_write_ahead_log_that_has_grown(films: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAL_KEPT_BYTES", 10)
    with films() as db:
        db.transact([("Alien", "genre", "Horror")])
        assert found(db, quick=True) == [("write-ahead log", False, False)]
        assert found(db, fix=True) == [("write-ahead log", True, True)]
        assert db.stats().storage.wal_bytes == 0


class Usage(NamedTuple):
    total: int = 0
    used: int = 0
    free: int = 1000


def test_a_disk_that_is_nearly_full(films: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())
    with films() as db:
        (ailment,) = db.doctor()
        assert ailment == Ailment("disk", "it is nearly full: 1,000 bytes are left", "store.full", fix="make room")


def test_rebuilding_a_sound_index(films: Callable[[], Connection]) -> None:
    with films() as db:
        assert found(db, rebuild_index=True) == [("index", False, True)]
        assert db.doctor() == []


def test_what_needs_a_file() -> None:
    with connect(":memory:") as db:
        for verb in (db.compact, lambda: db.backup("b.db")):
            with pytest.raises(RequestError) as caught:
                verb()
            assert caught.value.code == "db.usage"
        assert [limit.name for limit in db.limits()][:3] == ["bytes_max", "held_deltas_max", "held_bytes_max"]


def test_an_index_that_shows_what_the_log_has_lost_is_not_made_again_unasked(
    films: Callable[[], Connection], path: Path
) -> None:
    with apsw.Connection(str(path)) as file:
        file.execute("UPDATE log SET frame = CAST(substr(frame, 1, 99) || 'x' AS BLOB) WHERE seq = 2")
    with films() as db:
        assert not any(mended for _, _, mended in found(db, fix=True))
        assert db.get("Heat", "runtime") == 170
        assert any(mended for _, _, mended in found(db, rebuild_index=True))
        assert "Heat" not in db

"""What is saved of a file that is cut short, altered or broken at random: every delta whose bytes are intact."""

from __future__ import annotations

import os
import random
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from store_helpers import NOW, delta, said, write

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.store import admit, open_store
from rhizomedb.store.frame import HEAD_BYTES, frame
from rhizomedb.store.salvage import NOT_INFLATED, UNREADABLE, Salvaged, salvage
from rhizomedb.store.sqlite import SqliteStore

PAGE = 4096
rng = random.Random(3)


def long(number: int, size: int) -> Delta:
    """A delta of about so many bytes that do not repeat."""
    return delta(*(Fact(b"e%d" % number, at, rng.randbytes(min(size, 60_000))) for at in range(-(-size // 60_000))))


KINDS = {
    "small": [said(number) for number in range(10)],
    "pages": [long(number, 3000 + 500 * number) for number in range(10)],
    "large": [long(number, 40_000 if number % 3 else 400_000) for number in range(10)],
    "mixed": [long(number, 10 ** (number % 6)) for number in range(12)],
    "many": [said(number) for number in range(500)],
    "deflated": [delta(*(Fact(b"e%d" % at, "runtime", number) for at in range(400))) for number in range(20)],
}


def made(path: str, deltas: Sequence[Delta], step: int = 1) -> bytes:
    store = SqliteStore(path, create=True)
    for at in range(0, len(deltas), step):
        write(store, deltas[at : at + step])
    store.close()
    return Path(path).read_bytes()


class Sound(NamedTuple):
    """A file before it is damaged: what it says, its bytes, and the pages of each row of the log."""

    deltas: list[Delta]
    content: bytes
    homes: list[set[int]]

    @property
    def pages(self) -> int:
        return len(self.content) // PAGE


@pytest.fixture(scope="module", params=KINDS)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    deltas = KINDS[request.param]
    path = str(tmp_path_factory.mktemp("sound") / "sound.db")
    content = made(path, deltas, 1 if len(deltas) < 99 else 100)
    return Sound(deltas, content, homes(path))


def saved(path: str) -> tuple[dict[int, Delta], dict[int, str]]:
    """What is saved and what is named as lost; the file is as it was, and nothing is beside it."""
    before = {each.name: each.read_bytes() for each in Path(path).parent.iterdir() if each.is_file()}
    rows = list(salvage(path))
    assert before == {each.name: each.read_bytes() for each in Path(path).parent.iterdir() if each.is_file()}
    assert all((row.envelope is None) != (row.problem is None) for row in rows)
    assert len({row.seq for row in rows}) == len(rows)
    sound = {row.seq: Delta.decode(row.envelope) for row in rows if row.envelope is not None}
    return sound, {row.seq: row.problem for row in rows if row.problem is not None}


def check_import(deltas: Sequence[Delta], path: str) -> None:
    """What was saved makes a new file that is sound."""
    store = open_store(path)
    admission = admit(store, [each.encode() for each in deltas], now_ms=NOW, origin="saved")
    assert admission.new == len(deltas) and not admission.refused
    assert list(store.verify()) == []
    store.close()


def homes(path: str) -> list[set[int]]:
    """The pages on which each row of the log stands, as SQLite says of a sound file."""
    connection = apsw.Connection(path)
    pages = connection.execute("SELECT path, pageno, pagetype, ncell FROM dbstat WHERE name = 'log'").fetchall()
    connection.close()
    rows: dict[str, list[set[int]]] = {}
    for where, page, kind, cells in sorted(pages):
        if kind == "leaf":
            rows[where] = [{page} for _ in range(cells)]
    for where, page, kind, _ in pages:
        if kind == "overflow":
            leaf, _, place = where.rpartition("/")
            rows[f"{leaf}/"][int(place.partition("+")[0], 16)].add(page)
    return [home for where in sorted(rows) for home in rows[where]]


def check_cut(pages: int, sound: Sound, path: str) -> None:
    """Cut a file to so many whole pages, and see that exactly what stands on them is saved, and the rest named."""
    deltas = sound.deltas
    pages = max(pages, 1)
    Path(path).write_bytes(sound.content[: pages * PAGE])
    found, lost = saved(path)
    assert all(found[seq] == deltas[seq - 1] for seq in found)
    assert set(found) == {seq for seq, home in enumerate(sound.homes, 1) if max(home) <= pages}
    assert not set(found) & set(lost)
    missing = set(range(1, len(deltas) + 1)) - set(found)
    if missing:
        assert lost, "a loss is never passed over in silence"
        assert all(seq in lost or seq > max(lost) for seq in missing)
    else:
        assert not lost
    Path(path + ".new").unlink(missing_ok=True)
    check_import(list(found.values()), path + ".new")
    Path(path + ".new").unlink()


def test_a_sound_file_is_saved_whole(sound: Sound, path: str) -> None:
    check_cut(sound.pages, sound, path)
    assert list(saved(path)[0].values()) == sound.deltas


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 5, 8, 12])
def test_last_pages_cut_off(sound: Sound, path: str, pages: int) -> None:
    check_cut(sound.pages - pages, sound, path)


@pytest.mark.parametrize("part", [90, 60, 30, 5])
def test_files_cut_to_a_part(sound: Sound, path: str, part: int) -> None:
    check_cut(sound.pages * part // 100, sound, path)


@pytest.mark.parametrize("number", range(1, 12))
def test_any_page_overwritten(sound: Sound, path: str, number: int) -> None:
    """Even the schema, or the page where the log begins."""
    broken = bytearray(sound.content)
    broken[(number - 1) * PAGE : number * PAGE] = rng.randbytes(PAGE)
    Path(path).write_bytes(broken)
    found, lost = saved(path)
    gone = {seq for seq, home in enumerate(sound.homes, 1) if number in home}
    assert set(found) == set(range(1, len(sound.deltas) + 1)) - gone
    assert set(lost) == gone or (min(lost), min(gone)) == (max(lost), max(found, default=0) + 1)


def test_a_file_without_its_schema_and_its_inner_pages_is_saved_whole(path: str) -> None:
    deltas = KINDS["many"]
    whole = bytearray(made(path, deltas, 100))
    whole[:PAGE] = bytes(PAGE)
    for at in range(PAGE, len(whole), PAGE):
        if whole[at] in (0x02, 0x05):
            whole[at : at + PAGE] = bytes(PAGE)
    Path(path).write_bytes(whole)
    found, lost = saved(path)
    assert list(found.values()) == deltas and lost == {}


def test_altered_and_deleted_rows_are_named(path: str) -> None:
    deltas = [said(number) for number in range(8)]
    made(path, deltas)
    connection = apsw.Connection(path)
    connection.execute("UPDATE log SET frame = CAST(substr(frame, 1, 116) || x'00' AS BLOB) WHERE seq = 3")
    connection.execute("DELETE FROM log WHERE seq IN (5, 8)")
    connection.close()
    found, lost = saved(path)
    assert list(found) == [1, 2, 4, 6, 7]
    assert lost.keys() == {3, 5} and lost[5] == "cannot be read", "the log says that it ends with delta 7"


def altered(path: str, seq: int, change: Callable[[bytes], bytes]) -> None:
    """Put other bytes in the place of a frame."""
    connection = apsw.Connection(path)
    ((data,),) = connection.execute("SELECT frame FROM log WHERE seq = ?", (seq,)).fetchall()
    connection.execute("UPDATE log SET frame = ? WHERE seq = ?", (change(data), seq))
    connection.close()


@pytest.mark.parametrize("kind", ["small", "deflated"])
def test_a_frame_need_not_be_right_for_its_delta_to_be(path: str, kind: str) -> None:
    """Its first byte and its hash may be altered, or stand at another place: the signature decides."""
    deltas = KINDS[kind]
    made(path, deltas)
    altered(path, 2, lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:])
    for seq, first in ((3, 0), (4, 1), (5, 77), (6, deltas[5].encode()[0])):
        altered(path, seq, lambda data, first=first: bytes([first]) + data[1:])
    altered(path, 7, lambda _: frame(9999, 9, deltas[6].encode()))
    altered(path, 8, lambda _: deltas[7].encode())
    found, lost = saved(path)
    assert list(found.values()) == deltas and lost == {}


def test_compressed_bytes_that_are_altered_are_lost_alone(path: str) -> None:
    deltas = KINDS["deflated"]
    made(path, deltas)
    altered(path, 2, lambda data: data[:HEAD_BYTES] + b"\xff" + data[HEAD_BYTES + 1 :])
    altered(path, 3, lambda data: data[:-9])
    altered(path, 4, lambda data: data[:HEAD_BYTES] + zlib.compress(bytes(1 << 28), 9))
    found, lost = saved(path)
    assert found == {seq: each for seq, each in enumerate(deltas, 1) if seq not in (2, 3, 4)}
    assert lost.keys() == {2, 3, 4} and lost[2] == NOT_INFLATED


@pytest.mark.parametrize("table", ["mark", "segment"])
def test_what_the_index_says_of_how_many_there_were(path: str, table: str) -> None:
    """The last rows of the log are gone without a trace, and so is its last page: the marks or the catalogue know it."""
    deltas = KINDS["many"]
    store = SqliteStore(path, create=True)
    for at in range(0, 500, 50):
        write(store, deltas[at : at + 50])
    assert store.rebuild_index() == []
    store.close()
    for other in {"mark", "segment"} - {table}:
        connection = apsw.Connection(path)
        connection.execute(f"DELETE FROM {other}")
        connection.close()
    whole = bytearray(Path(path).read_bytes())
    last = max(homes(path)[-1])
    whole[:PAGE] = bytes(PAGE)
    whole[(last - 1) * PAGE : last * PAGE] = bytes(PAGE)
    Path(path).write_bytes(whole)
    found, lost = saved(path)
    assert {*found, *lost} == set(range(1, 501)) and set(lost.values()) == {UNREADABLE}


def test_a_mark_that_nobody_wrote_says_nothing(path: str) -> None:
    made(path, [said(number) for number in range(8)])
    connection = apsw.Connection(path)
    connection.execute(
        "INSERT INTO mark SELECT 9, 90, facts, causes, repeats, ms, counter, seal FROM mark WHERE epoch = 8"
    )
    connection.execute("DELETE FROM log WHERE seq = 8")
    connection.close()
    assert not saved(path)[1]


MUSEUM = Path(__file__).parents[1] / "data" / "museum"


@pytest.mark.parametrize("is_upgraded", [False, True])
def test_a_file_of_an_older_format(path: str, is_upgraded: bool) -> None:
    """The log of an upgraded file begins on another page, and pages of the older one are still in it."""
    shutil.copy(MUSEUM / "format-1.db", path)
    expected = [Delta.from_json(line) for line in (MUSEUM / "deltas.jsonl").read_text(encoding="utf-8").splitlines()]
    if is_upgraded:
        store = SqliteStore(path, create=False)
        more = [said(number) for number in range(300)]
        write(store, more)
        expected += more
        store.close()
    found, lost = saved(path)
    assert list(found.values()) == expected and lost == {}
    whole = bytearray(Path(path).read_bytes())
    last = max(homes(path)[-1])
    whole[(last - 1) * PAGE : last * PAGE] = bytes(PAGE)
    for first in (whole[:PAGE], bytes(PAGE)):  # with the schema, and without
        Path(path).write_bytes(first + whole[PAGE:])
        found, lost = saved(path)
        assert found and lost and {*found, *lost} == set(range(1, len(expected) + 1))


def test_an_empty_database_has_nothing_to_lose(path: str) -> None:
    made(path, [])
    assert saved(path) == ({}, {})


def test_what_is_only_in_the_write_ahead_log_is_saved(tmp_path: Path) -> None:
    deltas = KINDS["mixed"]
    path = tmp_path / "films.db"
    store = SqliteStore(str(path), create=True)
    for each in deltas:
        write(store, [each])
    files = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal")}
    store.close()
    folder = tmp_path / "copy"
    folder.mkdir()
    for size in (len(files["-wal"]), *range(0, len(files["-wal"]), 1 + len(files["-wal"]) // 50)):
        for end, content in (("", files[""]), ("-wal", files["-wal"][:size])):
            (folder / f"films.db{end}").write_bytes(content)
        try:
            found, lost = saved(str(folder / "films.db"))
        except StoreError as error:
            assert error.code == "store.not-a-database"
            continue
        assert [found[seq] for seq in sorted(found)] == deltas[: len(found)], "whole transactions only"
        assert not lost
        if size == len(files["-wal"]):
            assert len(found) == len(deltas)


def test_a_number_that_nobody_wrote_does_not_make_a_file_of_billions(path: str) -> None:
    made(path, [said(number) for number in range(8)])
    connection = apsw.Connection(path)
    connection.execute("UPDATE log SET seq = 1000000000000 WHERE seq = 8")
    connection.close()
    found, lost = saved(path)
    assert list(found) == [1, 2, 3, 4, 5, 6, 7, 10**12] and len(lost) < 10_000


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_never_crash(sound: Sound, path: str, seed: int) -> None:
    deltas, whole, _ = sound
    if len(whole) > 1 << 20:
        pytest.skip("the smaller ones are enough")
    rng = random.Random(seed)
    best = 0
    for _ in range(40):
        broken = bytearray(whole)
        for _ in range(rng.choice([1, 4, 64, 1000])):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        Path(path).write_bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])])
        try:
            found, _ = saved(path)
        except Error:
            continue
        assert {each.id for each in found.values()} <= {each.id for each in deltas}
        best = max(best, len(found))
    assert best > len(deltas) // 2


def test_pages_that_lead_in_circles_end(path: str) -> None:
    whole = bytearray(made(path, KINDS["large"]))
    for at in range(PAGE, len(whole), PAGE):
        if whole[at] not in (0x02, 0x05, 0x0A, 0x0D):
            whole[at : at + 4] = (at // PAGE + 1).to_bytes(4, "big")
    for at in range(0, len(whole), PAGE):  # pages full of rows that all go on, on the same page
        if whole[at] == 0x0A:
            whole[at : at + 8] = b"\x0d\0\0\x07\xd0\0\0\0"
            whole[at + 8 : at + PAGE] = b"\x0e\x00" * 2044
    Path(path).write_bytes(whole)
    assert len(saved(path)[1]) < 10_000


@pytest.mark.parametrize("content", [b"", b"id,title\n1,Heat\n", bytes(9000), b"SQLite format 3\0" + b"\xff" * 9000])
def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "films.db").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        list(salvage(tmp_path / "films.db"))
    assert caught.value.code == "store.not-a-database"


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, code in (("none", "not-found"), ("pipe", "unreadable"), (".", "unreadable"), ("\0", "unreadable")):
        with pytest.raises(StoreError) as caught:
            list(salvage(os.path.join(tmp_path, name)))
        assert caught.value.code == f"store.{code}"


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = str(tmp_path / "other.db")
    connection = apsw.Connection(path)
    connection.execute("CREATE TABLE film(id INTEGER PRIMARY KEY, year INT, poster BLOB)")
    connection.execute("INSERT INTO film VALUES (1, 1979, zeroblob(300))")
    connection.close()
    with pytest.raises(StoreError) as caught:
        list(salvage(path))
    assert caught.value.code == "store.not-a-database"


def test_a_link_to_a_file(tmp_path: Path, path: str) -> None:
    made(path, [said(1)])
    (tmp_path / "link.db").symlink_to(path)
    assert list(salvage(tmp_path / "link.db")) == [Salvaged(1, said(1).encode())]
    shutil.move(path, path + ".moved")
    with pytest.raises(StoreError):
        list(salvage(tmp_path / "link.db"))

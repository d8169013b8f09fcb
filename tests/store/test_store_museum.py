"""Files of every format that ever was: they open, say what they said, are sound, and can be written to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import museum
import pytest
from store_helpers import everything, said, write

from rhizomedb.cli import main
from rhizomedb.errors import StoreError
from rhizomedb.store import ALL, MemoryStore, admit, check, upgrade
from rhizomedb.store.folder import Folder
from rhizomedb.store.layout import FORMAT
from rhizomedb.store.sqlite import SqliteStore

HERE = Path(__file__).parents[1] / "data" / "museum"
FILES = sorted(path.name for path in HERE.glob("*.db"))
OLDER = [name for name in FILES if name != f"format-{FORMAT}.db"]

WAYS = ["alone", "with its index", "with its index, believed"]
"""How a file comes: without what stands beside it, with that, and as if it had been made where it is now."""


def lines(name: str) -> list[str]:
    return (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


def brought(name: str, path: str, way: str = "alone") -> None:
    shutil.copy(HERE / name, path)
    os.chmod(path, 0o644)
    index = HERE / f"{name}-index"
    if way == "alone":
        return
    if not index.exists():
        pytest.skip("this format has nothing beside the file")
    shutil.copytree(index, f"{path}-index")
    if way == "with its index, believed":
        connection = apsw.Connection(path)
        connection.execute("UPDATE home SET place = ?", (Folder(path).place(),))
        connection.close()


def version(path: str) -> int:
    connection = apsw.Connection(path)
    number: int = connection.pragma("user_version")
    connection.close()
    return number


def check_content(store: SqliteStore) -> None:
    assert museum.deltas_of(store) == lines("deltas")
    assert list(museum.content_of(store)) == lines("content")


def test_there_is_a_file_of_every_format() -> None:
    assert [f"format-{number}.db" for number in range(1, FORMAT + 1)] == FILES


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_said(path: str, name: str, way: str) -> None:
    brought(name, path, way)
    for _ in range(2):  # as it is brought up to the newest format, and then as such
        store = SqliteStore(path, create=False)
        check_content(store)
        assert list(store.verify()) == []
        store.close()
        assert version(path) == FORMAT
    assert list(museum.views_of(path)) == lines("views")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_can_be_written_to(path: str, name: str, way: str) -> None:
    """Whatever is said from now on is beside what was said, as it is in a store that never was a file."""
    brought(name, path, way)
    twin = MemoryStore()
    museum.fill(twin)  # type: ignore[arg-type]  # it is a store
    store = SqliteStore(path, create=False)
    for each in (store, twin):
        write(each, [said(number) for number in range(40)])
    shown = everything(twin)
    assert everything(store) == shown
    store.close()
    store = SqliteStore(path, create=False)
    assert everything(store) == shown and list(store.verify()) == []
    assert store.rebuild_index() == [] and everything(store) == shown and list(store.verify()) == []
    store.close()


@pytest.mark.parametrize("name", FILES)
def test_what_was_exported_is_known_to_a_file(path: str, name: str) -> None:
    brought(name, path)
    store = SqliteStore(path, create=False)
    envelopes = [envelope for _, envelope in store.envelopes()]
    admission = admit(store, envelopes, now_ms=museum.NOW, origin="again")
    assert (admission.new, len(admission.refused)) == (0, 0)


# -- files that cannot be written ----------------------------------------------------------------------------------------


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder, and nobody's rights in it: the superuser can write everything."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    try:
        os.chmod(folder, 0o755)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        os.chmod(folder, 0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("folder_mode", "is_open_elsewhere"), [(0o777, False), (0o777, True), (0o755, False), (0o755, True)]
)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_written_is_read_as_it_is(name: str, folder_mode: int, is_open_elsewhere: bool) -> None:
    """In a folder where nothing can be made, what processes share is used if it is there, else the file is read alone."""
    if is_open_elsewhere and name in OLDER:
        pytest.skip("whoever can write it makes it a file of the newest format")
    with nobody() as folder:
        path = str(folder / "films.db")
        brought(name, path)
        before = Path(path).read_bytes()
        writer = SqliteStore(path, create=False) if is_open_elsewhere else None
        list(museum.views_of(str(shutil.copy(path, folder / "another.db"))))  # imports all that nobody may not read
        os.chmod(path, 0o444)
        os.chmod(folder, folder_mode)
        expected = lines("content")
        if os.geteuid() == 0:
            os.seteuid(65534)
        store = SqliteStore(path, create=False)
        assert museum.deltas_of(store) == lines("deltas") and list(museum.content_of(store)) == expected
        with pytest.raises(StoreError) as caught:
            write(store, [said(1)])
        assert caught.value.code == "store.read-only"
        store.close()
        if writer is None:
            assert Path(path).read_bytes() == before
        else:
            writer.close()


# -- upgrades that do not end ----------------------------------------------------------------------------------------------


def stopping(monkeypatch: pytest.MonkeyPatch, number: int, how: type[BaseException] | None) -> list[str]:
    """Let an upgrade stop before its statement of this number, or at the end; gives the statements that were run."""
    steps = upgrade.steps
    run: list[str] = []

    def some(file: object, version: int) -> Iterator[str]:
        for at, statement in enumerate(steps(file, version)):  # type: ignore[arg-type]  # a file
            if at == number:
                break
            run.append(statement)
            yield statement
        if how is None:
            os._exit(9)
        raise how

    monkeypatch.setattr(upgrade, "steps", some)
    return run


@pytest.mark.parametrize("number", [0, 1, 9, 11, 13, 18, 19, 20, 99])
@pytest.mark.parametrize("how", [KeyboardInterrupt, MemoryError, None])
@pytest.mark.parametrize("name", OLDER)
def test_an_interrupted_upgrade_leaves_the_file_as_it_was(
    path: str, name: str, number: int, how: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought(name, path)
    with monkeypatch.context() as patch:
        run = stopping(patch, number, how)
        if how is None:  # the process ends there
            child = os.fork()
            if not child:
                SqliteStore(path, create=False)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        else:
            with pytest.raises(how):
                SqliteStore(path, create=False)
            assert number > 20 or len(run) == number
    assert version(path) == int(name.removeprefix("format-").removesuffix(".db"))
    store = SqliteStore(path, create=False)
    check_content(store)
    assert list(store.verify()) == [] and version(path) == FORMAT
    store.close()


@pytest.mark.parametrize("name", FILES)
def test_an_index_that_was_not_made_to_its_end_is_made_when_the_file_is_opened(
    path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is of the newest format, but has no marks yet."""
    brought(name, path)
    if version(path) == FORMAT:
        connection = apsw.Connection(path)
        connection.execute("DELETE FROM mark")
        connection.close()
    for target in ("rebuild", "remake"):
        with monkeypatch.context() as patch:

            def stop(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(check, target, stop)
            with pytest.raises(KeyboardInterrupt):
                SqliteStore(path, create=False)
        assert version(path) == FORMAT
    store = SqliteStore(path, create=False)
    check_content(store)
    assert list(store.verify()) == []
    store.close()


def test_two_open_an_older_file_at_once(path: str) -> None:
    """Whoever comes second finds the newest format, or waits for it."""
    brought(OLDER[0], path)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            code = 1
            try:
                check_content(SqliteStore(path, create=False, wait_ms=60_000))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    store = SqliteStore(path, create=False)
    check_content(store)
    assert list(store.verify()) == []


@pytest.mark.parametrize("name", OLDER)
def test_a_delta_that_was_altered_in_an_older_file_is_named(path: str, name: str) -> None:
    """A frame made of altered bytes does not make them sound."""
    brought(name, path)
    connection = apsw.Connection(path)
    ((envelope,),) = connection.execute("SELECT envelope FROM log WHERE seq = 10").fetchall()
    connection.execute("UPDATE log SET envelope = ? WHERE seq = 10", (envelope[:-1] + bytes([envelope[-1] ^ 1]),))
    connection.close()
    codes = []
    for _ in range(2):
        try:
            store = SqliteStore(path, create=False)
        except StoreError as error:
            codes.append(error.code)
            assert "delta 10" in error.message and error.fix
            continue
        records = [finding.record for finding in store.verify()]
        assert any(record.startswith("delta 10") for record in records), records
        assert store.counts(ALL)["deltas"]
        store.close()
    assert set(codes) <= {"store.damaged"}


# -- formats that are yet to come ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_newer_format_is_refused_in_one_sentence(path: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    brought(name, path)
    connection = apsw.Connection(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = Path(path).read_bytes()
    with pytest.raises(StoreError) as caught:
        SqliteStore(path, create=False)
    assert caught.value.code == "store.newer-format"
    assert caught.value.message == f"{path} has format 99; this version of RhizomeDB reads up to {FORMAT}"
    assert main(["get", path, "film 1"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("store.newer-format: ") and len(printed.err.splitlines()) == 2
    assert Path(path).read_bytes() == before

"""Several processes on one file, and processes that die."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from store_helpers import NOW, delta, said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact
from rhizomedb.store import ALL, Cut, holder
from rhizomedb.store.sqlite import SqliteStore

SCRIPT = str(Path(__file__).with_name("process_scripts.py"))


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, SCRIPT, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_several_writers_lose_nothing_and_repeat_nothing(path: str) -> None:
    writers = [start("say", path, who, 40) for who in range(3)]
    for writer in writers:
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0 and len(out.splitlines()) == 40
    store = SqliteStore(path, create=False)
    assert store.epoch() == 120
    assert store.counts(ALL) == {
        "facts": 480, "entities": 480, "attributes": 2, "deltas": 120, "authors": 3, "causes": 0,
    }  # fmt: skip
    assert list(store.verify()) == []
    store.close()


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(path: str) -> None:
    store = SqliteStore(path, create=True, wait_ms=300)
    write(store, [said(1)])
    slow = start("occupy", path, 30)
    try:
        assert line(slow) == "writing"
        began = time.monotonic()
        with pytest.raises(StoreError) as caught, store.writing():
            pass
        assert 0.25 < time.monotonic() - began < 5
        assert caught.value.code == "store.busy"
        assert caught.value.message == f"another process has been writing to {path} for 0.3 s"
        assert store.counts(ALL)["deltas"] == 1 and not store.is_writing
    finally:
        slow.kill()
        slow.communicate()
    assert write(store, [said(2)]) == 2, "who died is not in the way"
    assert list(store.verify()) == []


def test_who_waits_is_told_for_whom(path: str) -> None:
    told: list[tuple[float, int | None]] = []
    SqliteStore(path, create=True).close()
    slow = start("occupy", path, 30)
    try:
        assert line(slow) == "writing"
        for wait_ms, times in ((500, 0), (1_500, 1)):
            store = SqliteStore(
                path, create=False, wait_ms=wait_ms, waiting=lambda left, process: told.append((left, process))
            )
            with pytest.raises(StoreError) as caught, store.writing():
                pass
            assert f"ps -fp {slow.pid}" in (caught.value.fix or "")
            assert len(told) == times, "once, after a second"
            store.close()
        ((left, process),) = told
        assert 0 < left <= 0.5 and process == slow.pid
    finally:
        slow.kill()
        slow.communicate()
    assert holder.writer(path) is None, "who died holds nothing"


@pytest.mark.parametrize(
    ("listed", "process"),
    [
        ("", None),
        ("1: POSIX  ADVISORY  WRITE 7 fe:00:{inode} 120 120\n", 7),
        ("1: POSIX  ADVISORY  READ 7 fe:00:{inode} 120 120\n", None),
        ("1: POSIX  ADVISORY  WRITE 7 fe:00:{inode} 124 124\n", None),
        ("1: POSIX  ADVISORY  WRITE 7 fe:00:{inode}9 120 120\n", None),
        ("1: POSIX  ADVISORY  WRITE 0 fe:00:{inode} 120 120\n", None),  # of another container
        ("1: -> POSIX  ADVISORY  WRITE 7 fe:00:{inode} 120 120\n", None),
        ("1: FLOCK  ADVISORY  WRITE 7 fe:00:{inode} 120 120\nnonsense\n", None),
    ],
)
def test_the_writer_is_the_one_that_holds_the_lock(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, process: int | None
) -> None:
    shared = Path(f"{path}-shm")
    shared.touch()
    locks = tmp_path / "locks"
    monkeypatch.setattr(holder, "LOCKS", str(locks))
    assert holder.writer(path) is None, "where nothing is listed nobody can say"
    locks.write_text(listed.format(inode=shared.stat().st_ino))
    assert holder.writer(path) == process


def test_waiting_can_be_interrupted(path: str) -> None:
    store = SqliteStore(path, create=True)
    slow = start("occupy", path, 30)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        assert line(slow) == "writing"
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), store.writing():
            pass
        assert time.monotonic() - began < 5 and store.epoch() == 0
    finally:
        signal.signal(signal.SIGALRM, before)
        slow.kill()
        slow.communicate()
    assert write(store, [said(1)]) == 1


def test_importing_the_package_does_not_load_sqlite() -> None:
    check = "import sys, rhizomedb.store; sys.exit('apsw' in sys.modules or 'sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_second_writer_gets_its_turn(path: str) -> None:
    store = SqliteStore(path, create=True)
    write(store, [said(1)])
    slow = start("occupy", path, 0.5)
    assert line(slow) == "writing"
    assert write(store, [said(2)]) == 3
    assert slow.communicate(timeout=30)[0].strip() in ("2", "3")
    assert store.counts(ALL)["deltas"] == 3


def test_a_reader_sees_the_old_epoch_until_the_writer_is_done(path: str) -> None:
    writer, reader = SqliteStore(path, create=True), SqliteStore(path, create=False)
    write(writer, [said(1)])
    assert reader.epoch() == 1
    with writer.writing():
        epoch = writer.begin(NOW, "test")
        writer.append([said(2)], epoch)
        assert writer.epoch() == 2 and reader.epoch() == 1
        assert len(list(reader.scan("fact", {}, ALL))) == 1 and len(list(writer.scan("fact", {}, ALL))) == 2
    assert reader.epoch() == 2 and len(list(reader.scan("fact", {}, ALL))) == 2
    assert len(list(reader.scan("fact", {}, Cut(epoch=1)))) == 1


def test_a_rebuild_elsewhere_is_noticed(path: str) -> None:
    one, two = SqliteStore(path, create=True), SqliteStore(path, create=False)
    write(one, [said(1), said(2)])
    before = list(two.scan("fact", {}, ALL))
    assert one.rebuild_index() == []
    assert list(two.scan("fact", {}, ALL)) == before
    write(two, [said(3)])
    write(one, [said(4)])
    assert list(two.verify()) == []


def test_two_processes_make_one_file(path: str) -> None:
    for process in [start("say", path, who, 1) for who in range(3)]:
        assert process.communicate(timeout=30)[0] == "0\n" and process.returncode == 0


def test_who_comes_while_a_file_is_being_made_waits_for_it(path: str) -> None:
    """An empty file is refused, but only when nobody has made it a database after a while."""
    Path(path).touch()
    with pytest.raises(StoreError, match=r"it is empty"):
        SqliteStore(path, create=False, wait_ms=0)
    maker = threading.Timer(0.1, lambda: SqliteStore(path, create=True).close())
    maker.start()
    SqliteStore(path, create=False).close()
    maker.join()


def test_whoever_is_killed_loses_nothing_that_was_acknowledged(path: str) -> None:
    rng = random.Random(7)
    acknowledged = dict.fromkeys(range(3), -1)
    SqliteStore(path, create=True).close()
    for life in range(24):
        who = life % 3
        # Say everything again from the first: what is known is passed over, what was lost would be said anew.
        process = start("say", path, who, 100_000)
        for _ in range(rng.randrange(1, 30)):
            acknowledged[who] = max(acknowledged[who], int(line(process)))
        time.sleep(rng.random() * 0.004)
        process.kill()
        process.communicate()
        if life % 6 == 5:
            store = SqliteStore(path, create=False)
            for each, last in acknowledged.items():
                for number in range(last + 1):
                    bound = {"entity": b"%d/%d/3" % (each, number)}
                    assert [row[3] for row in store.scan("fact", bound, ALL)] == [exact(number)]
            assert store.counts(ALL)["facts"] == 4 * store.counts(ALL)["deltas"]
            assert list(store.verify()) == []
            store.close()


@pytest.mark.parametrize("when", ["between", "scanning", "writing", "verifying"])
@pytest.mark.parametrize("size", [0, 16_000])
@pytest.mark.parametrize("read_max", [0, 1 << 20])
def test_a_segment_that_is_cut_short_while_it_is_in_use_ends_no_process(
    path: str, when: str, size: int, read_max: int
) -> None:
    store = SqliteStore(path, create=True)
    write(store, [delta(*(Fact(b"e%d" % n, "n", n) for n in range(at, at + 500))) for at in range(0, 5000, 500)])
    store.rebuild_index()
    store.close()
    process = start("shorten", path, read_max, size, when)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    answers = out.splitlines()
    *during, counts, new, findings = answers
    assert (counts, new) == ("5000 1", "1")
    # What was mapped is made again from the log at once; what was read into memory, when somebody reads the file.
    assert findings == "0" or (read_max and findings == "1")
    allowed = {"scanning": ["4999", "store.index-damaged"], "writing": ["1", "store.index-damaged"]}
    assert len(during) == (when != "between") and set(during) <= {*allowed.get(when, during)}


@pytest.mark.parametrize("what", ["read", "write", "close"])
def test_a_forked_child_is_refused(path: str, what: str) -> None:
    """No lock passes to it: what it wrote would be in a log that the last who closes the file removes."""
    store = SqliteStore(path, create=True)
    write(store, [said(1)])
    acts = {"read": store.epoch, "write": lambda: write(store, [said(2)]), "close": store.close}
    answers, answer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  # another process
        try:
            acts[what]()
            os.write(answer, b"done")
        except StoreError as error:
            os.write(answer, error.code.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(answers, 100) == b"store.process"
    os.close(answers)
    os.close(answer)
    assert write(store, [said(3)]) == 2, "the parent goes on as before"
    assert store.counts(ALL)["deltas"] == 2 and list(store.verify()) == []
    store.close()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_nothing_is_acknowledged_that_would_go_with_a_log_that_was_taken_away(path: str, how: str) -> None:
    store = SqliteStore(path, create=True)
    write(store, [said(1)])
    os.unlink(f"{path}-wal")
    if how == "replaced":
        Path(f"{path}-wal").touch()
    with pytest.raises(StoreError, match=r"-wal, in which the newest of .* is, was removed or replaced") as caught:
        write(store, [said(2)])
    assert caught.value.code == "store.unreadable"
    store.close()

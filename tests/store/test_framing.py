"""What a write adds to the log is framed in order, a large envelope by a thread beside."""

import os
import random
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from store_helpers import NOW, delta, said, write

from rhizomedb.db.connection import connect
from rhizomedb.errors import StoreError
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.store import framing, indexed
from rhizomedb.store.admit import admit
from rhizomedb.store.frame import frame, unframe
from rhizomedb.store.open import open_store

KEY = Key(b"k" * 32)


def deltas(sizes, chance):
    for number, size in enumerate(sizes, 1):
        said = [Fact(b"e%d" % number, "text", chance.randbytes(size // 2).hex())]
        yield Delta.sign(KEY, system="test", time=HybridTime(number), facts=said)


SIZES = {
    "all small": [10, 200, 40],
    "all large": [90_000, 100_000, 60_000],
    "small behind large": [200_000, 10, 10, 10],
    "large behind small": [10, 10, 200_000],
    "more than may wait": [240_000] * 50,
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_the_log_has_every_frame_in_order(tmp_path, sizes):
    said = list(deltas(sizes, random.Random(1)))
    with closing(open_store(str(tmp_path / "a.db"), create=True)) as store:
        assert admit(store, said, now_ms=10_000, origin="test").new == len(said)
        rows = store.file.run("SELECT seq, epoch, frame FROM log ORDER BY seq")
        assert rows == [(seq, 1, frame(seq, 1, each.encode())) for seq, each in enumerate(said, 1)]
        assert [unframe(*row) for row in rows] == [each.encode() for each in said]


def test_what_was_just_added_is_read_within_the_write(tmp_path):
    said = list(deltas([200_000] * 4, random.Random(2)))
    with closing(open_store(str(tmp_path / "a.db"), create=True)) as store:
        with store.writing():
            epoch = store.begin(1, "test")
            store.append(said, epoch)
            assert store.envelope(said[-1].id) == said[-1].encode()
            assert [envelope for _, envelope in store.envelopes()] == [each.encode() for each in said]
        assert [envelope for _, envelope in store.envelopes()] == [each.encode() for each in said]


def test_nothing_of_a_write_that_is_not_kept_comes_later(tmp_path):
    said = list(deltas([200_000] * 4, random.Random(3)))
    with closing(open_store(str(tmp_path / "a.db"), create=True)) as store:
        with pytest.raises(ZeroDivisionError), store.writing():
            store.append(said, store.begin(1, "test"))
            raise ZeroDivisionError
        assert admit(store, said[2:], now_ms=10_000, origin="test").new == 2
        assert [envelope for _, envelope in store.envelopes()] == [each.encode() for each in said[2:]]
        assert list(store.verify()) == []


def test_what_goes_wrong_beside_ends_the_write_and_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    def fail(seq, epoch, envelope):
        raise StoreError("store.memory", "there was not enough memory")

    path = str(tmp_path / "a.db")
    with connect(path) as db:
        db.transact([("a", "n", 1)])
        monkeypatch.setattr(framing, "frame", fail)
        with pytest.raises(StoreError, match="not enough memory"):
            db.transact([("a", "t", "x" * 100_000)])
        monkeypatch.undo()
        assert [fact.attribute for fact in db.facts("a")] == ["name", "n"]
        db.transact([("a", "t", "y" * 100_000)])
        assert db.get("a", "t") == "y" * 100_000
        assert list(db.verify()) == []


def test_a_full_disk_that_is_met_while_a_group_is_looked_at_keeps_nothing(path):
    """SQLite takes the whole write back there, and what follows in it must not be written one by one."""
    chance = random.Random(4)
    large = [delta(Fact(b"b%d" % number, "t", chance.randbytes(200_000))) for number in range(8)]
    group = [delta(Fact(b"g%d" % number, "n", number), group=Group(b"g", 2)) for number in range(2)]
    with closing(open_store(path, create=True)) as store:
        write(store, [said(1)])
        store.file.run("PRAGMA cache_size=-100")
        ((pages,),) = store.file.run("PRAGMA page_count")
        store.file.run(f"PRAGMA max_page_count={pages + 200}")
        with pytest.raises(StoreError) as caught:
            admit(store, [*large, *group], now_ms=NOW, origin="test")
        assert caught.value.code == "store.full"
        store.file.run("PRAGMA max_page_count=1000000")
        assert store.file.run("SELECT count(*) FROM log") == [(1,)]
        assert admit(store, [*large, *group], now_ms=NOW, origin="test").new == 10
        assert list(store.verify()) == []


def test_no_thread_is_left_when_a_write_is_over(path):
    large = list(deltas([200_000] * 3, random.Random(5)))
    before = threading.active_count()
    with closing(open_store(path, create=True)) as store:
        admit(store, large[:2], now_ms=10_000, origin="test")
        assert threading.active_count() == before
        with pytest.raises(ZeroDivisionError), store.writing():
            store.append(large[2:], store.begin(1, "test"))
            raise ZeroDivisionError
        assert threading.active_count() == before


def test_where_no_thread_is_to_be_had_the_write_is_kept(path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("can't start new thread")

    large = list(deltas([200_000] * 3, random.Random(6)))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(indexed, "GATHER_FACTS", 1)
    with closing(open_store(path, create=True)) as store:
        assert admit(store, large, now_ms=10_000, origin="test").new == 3
        monkeypatch.undo()
        assert [envelope for _, envelope in store.envelopes()] == [each.encode() for each in large]
        assert list(store.verify()) == []


def test_a_large_value_is_written_while_the_process_ends(path):
    script = f"""
import atexit
from rhizomedb.db.connection import connect
db = connect({path!r})
atexit.register(lambda: (db.transact([("a", "t", "x" * 100_000)]), print(len(db.get("a", "t")))))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("100000\n", "")


@pytest.mark.parametrize("how", ["raises", "exits"])
def test_a_child_that_is_forked_in_a_write_takes_nothing_of_it_back(path, how):
    script = """
import os, sys
from rhizomedb.store.sqlite import SqliteStore
from store_helpers import *
import random
store = SqliteStore(sys.argv[1], create=True)
store.file.run("PRAGMA cache_size=-100")  # so that pages go to the log before the write is over
with store.writing():
    for number in range(30):
        large = delta(Fact(b"b%d" % number, "t", random.Random(number).randbytes(200_000)))
        store.append([large], store.begin(NOW, "test"))
    list(store.envelopes())
    child = os.fork()
    if child == 0:
        if sys.argv[2] == "raises":
            raise SystemError
        sys.exit(0)
    os.waitpid(child, 0)
print(store.counts(ALL)["deltas"], len(list(store.verify())))
other = SqliteStore(sys.argv[1], create=False)
print(sum(envelope != b"" for _, envelope in other.envelopes()))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, path, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.stdout == "30 0\n30\n", ended.stderr

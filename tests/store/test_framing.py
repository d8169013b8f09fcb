"""What a write adds to the log is framed in order, a large envelope by a thread beside."""

import random
from contextlib import closing

import pytest

from rhizomedb.db.connection import connect
from rhizomedb.errors import StoreError
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.store import framing
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

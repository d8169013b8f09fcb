"""Push and pull through a place of each kind: a dict, a folder, and a bucket of a real S3 server."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from remote_helpers import KEY, Back, bundle, delta, deltas, fill, ids, shown

from rhizomedb.db.connection import Connection, connect
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.remote import Pull, Push, pull, push
from rhizomedb.remote.bundle import Head
from rhizomedb.remote.catalog import HEADS_AHEAD
from rhizomedb.remote.kind import DELTAS
from rhizomedb.store.store import Finding

Another = Callable[[], Connection]


def test_two_copies_converge(back: Back, another: Another) -> None:
    a, b = fill(another(), deltas(5)), fill(another(), deltas(5, first=3))
    assert push(a, back.url).new == 5
    assert push(b, back.url).new == 3
    assert pull(a, back.url).new == 3
    assert pull(b, back.url).new == 3
    assert ids(a) == ids(b) == {str(each.id) for each in deltas(8)}
    assert shown(a) == shown(b)


def test_again_is_nothing(back: Back, another: Another) -> None:
    a, b = fill(another(), deltas(4)), another()
    first = push(a, back.url)
    assert (first.new, first.known, first.bundles) == (4, 0, 1)
    assert push(a, back.url) == Push(known=4)
    assert pull(b, back.url) == Pull(new=4, bundles=1)
    assert pull(b, back.url) == Pull(known=4)
    assert push(b, back.url) == Push(known=4)
    assert len(back.names()) == 1


def test_nothing_at_all(folder: Back, s3: Back, another: Another) -> None:
    assert push(another(), folder.url) == Push()
    assert not os.path.exists(folder.url)
    os.mkdir(folder.url)
    for each in (folder, s3):
        assert pull(another(), each.url) == Pull()


def test_only_what_is_missing_is_pushed(back: Back, another: Another, small_bundles: None) -> None:
    a = fill(another(), deltas(7))
    assert push(a, back.url).bundles == 3
    fill(a, deltas(9))
    assert (push(a, back.url).new, len(back.names())) == (2, 4)


def test_an_interrupted_push_goes_on(back: Back, another: Another, small_bundles: None) -> None:
    a = fill(another(), deltas(9))

    def stop(done: int, total: int) -> None:
        assert total == 9
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(a, back.url, progress=stop)
    assert len(back.names()) == 2
    pushed = push(a, back.url)
    assert (pushed.new, pushed.known) == (3, 6)


def test_an_interrupted_pull_goes_on(back: Back, another: Another, small_bundles: None) -> None:
    push(fill(another(), deltas(30)), back.url)
    b = another()

    def stop(done: int, total: int) -> None:
        if total and done > total / 2:  # past the heads
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(b, back.url, progress=stop)
    taken = len(ids(b))
    assert 15 <= taken < 30
    assert list(b.verify()) == []
    assert pull(b, back.url).new == 30 - taken


def test_a_corrupted_object_costs_only_itself(back: Back, another: Another, small_bundles: None) -> None:
    a, b = fill(another(), deltas(9)), another()
    push(a, back.url)
    broken = back.names()[1]
    data = bytearray(back.get(broken))
    data[-5] ^= 1
    back.put(broken, bytes(data))

    pulled = pull(b, back.url)
    assert pulled.new == 6
    assert [(error.code, error.where) for error in pulled.refused] == [("remote.altered", f"bundle {broken}")]
    assert push(a, back.url).new == 0  # the head is believed
    mended = push(a, back.url, check=True)
    assert (mended.new, mended.known, len(mended.refused)) == (3, 6, 1)
    assert back.get(broken) != bytes(data), "the same deltas make the same bundle, which replaces the broken one"
    assert pull(b, back.url).new == 3
    assert ids(a) == ids(b)


def test_a_corrupted_head_is_pushed_anew(back: Back, another: Another) -> None:
    a = fill(another(), deltas(3))
    push(a, back.url)
    (name,) = back.names()
    back.put(name, b"x" + back.get(name)[1:])
    assert [error.code for error in pull(another(), back.url).refused] == ["remote.altered"]
    pushed = push(a, back.url)
    assert (pushed.new, [error.code for error in pushed.refused]) == (3, ["remote.altered"])
    assert pull(another(), back.url).new == 3


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_a_half_object_is_never_trusted(back: Back, another: Another, length: int) -> None:
    push(fill(another(), deltas(3)), back.url)
    (name,) = back.names()
    back.put(name, back.get(name)[:length])
    pulled = pull(another(), back.url)
    assert (pulled.new, [error.code for error in pulled.refused]) == (0, ["remote.altered"])


def test_what_was_lost_there_is_said_and_pushed_again(back: Back, another: Another, small_bundles: None) -> None:
    a = fill(another(), deltas(9))
    push(a, back.url)
    assert pull(a, back.url).unsent == 0
    back.delete(back.names()[0])
    pulled = pull(a, back.url)
    assert (pulled.new, pulled.unsent, len(ids(a))) == (0, 3, 9)
    assert push(a, back.url).new == 3
    assert pull(another(), back.url).new == 9


def test_strangers_are_left_alone(back: Back, another: Another) -> None:
    push(fill(another(), deltas(2)), back.url)
    for name in ("README.md", "0" * 64, "z" * 64 + "-1", "0" * 64 + "-99999"):
        back.put(name, b"hello")
    pulled = pull(another(), back.url)
    assert (pulled.new, pulled.strangers, pulled.refused) == (2, 4, ())
    assert back.get("README.md") == b"hello"


def test_heads_that_lie_take_no_memory(dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger makes heads as long as they may be, with nothing behind them: beyond a limit they are read again."""
    monkeypatch.setattr("rhizomedb.remote.pulling.HEADS_BYTES_MAX", 10 * 32 * 99)
    push(fill(another(), deltas(9)), dictionary.url)
    for number in range(100):
        head = DELTAS.magic + random.Random(number).randbytes(32 + 32 * 99)
        dictionary.put(f"{sha256(head).hexdigest()}-99", head + b"x")
    kept = []

    def look(_done: int, total: int) -> None:
        if not total and not len(kept) % 20:
            gc.collect()
            kept.append(sum(isinstance(each, Head) for each in gc.get_objects()))
        else:
            kept.append(0)

    pulled = pull(another(), dictionary.url, progress=look)
    assert (pulled.new, pulled.unsent, pulled.refused_count) == (9, 0, 100)
    assert 0 < max(kept) < 10 + HEADS_AHEAD + 5
    gc.collect()
    assert sum(isinstance(each, Head) for each in gc.get_objects()) < 5, "no error holds one either"


@pytest.mark.parametrize("heads_bytes_max", [0, 150, 1 << 20])
def test_it_is_the_same_with_heads_that_are_read_again(
    back: Back, another: Another, monkeypatch: pytest.MonkeyPatch, small_bundles: None, heads_bytes_max: int
) -> None:
    monkeypatch.setattr("rhizomedb.remote.pulling.HEADS_BYTES_MAX", heads_bytes_max)
    push(fill(another(), deltas(9)), back.url)
    push(fill(another(), deltas(5, 7)), back.url)
    pulled = pull(fill(another(), deltas(4, 10)), back.url)
    assert (pulled.new, pulled.known, pulled.unsent, pulled.refused) == (10, 2, 2, ())


def forged(number: int) -> bytes:
    """An envelope with the id of a delta and a signature of another."""
    good, other = delta(number).encode(), delta(number + 1).encode()
    return good[:3] + other[3:67] + good[67:]


def test_a_forged_delta_is_named_and_costs_only_itself(back: Back, another: Another) -> None:
    poisoned = bundle([delta(1).encode(), forged(2), delta(3).encode()])
    back.put(str(poisoned.name), poisoned.data)
    a, b = fill(another(), deltas(5)), another()
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.unsent) == (2, 2)
    (error,) = pulled.refused
    assert (error.code, error.where) == ("remote.forged", f"bundle {poisoned.name}")
    assert bytes(delta(2).id).hex()[-64:][:16] in error.message
    assert "delta.signature" in error.message
    push(a, back.url)
    assert pull(b, back.url).new == 2, "without a check, the head of the poisoned bundle is believed"
    assert push(a, back.url, check=True).new == 3
    assert pull(b, back.url).new == 1
    assert ids(a) == ids(b)


def test_many_forged_deltas_are_named_once(dictionary: Back, another: Another) -> None:
    poisoned = bundle([delta(0).encode(), *(forged(number) for number in range(1, 50))])
    dictionary.put(str(poisoned.name), poisoned.data)
    pulled = pull(another(), dictionary.url)
    assert (pulled.new, pulled.refused_count) == (1, 1)
    assert "and 48 more" in pulled.refused[0].message


def test_a_forged_delta_does_not_hide_the_true_one_beside_it(back: Back, another: Another) -> None:
    for envelopes in ([forged(2)], [delta(2).encode(), delta(3).encode()]):
        made = bundle(envelopes)
        back.put(str(made.name), made.data)
    b = another()
    pull(b, back.url)
    assert ids(b) == {str(delta(2).id), str(delta(3).id)}


def test_a_group_over_several_bundles(back: Back, another: Another, small_bundles: None) -> None:
    group = Group(b"together", 8)
    a, b = fill(another(), [delta(number, group) for number in range(8)]), another()
    push(a, back.url)
    kept = back.names()[0]
    data = back.get(kept)
    back.delete(kept)
    first = pull(b, back.url)
    assert (first.new, first.held, len(b.held())) == (0, first.held, first.held)
    assert first.held > 0
    back.put(kept, data)
    assert (pull(b, back.url).new, b.held()) == (8, [])
    assert ids(a) == ids(b)


def test_a_delta_held_back_does_not_come_again(back: Back, another: Another, wall: Callable[[], int]) -> None:
    early = Delta.sign(KEY, system="t", time=HybridTime(wall() + 3_600_000), facts=[Fact(b"x", "a", 1)])
    made = bundle([early.encode()])
    back.put(str(made.name), made.data)
    b = another()
    assert pull(b, back.url) == Pull(held=1, bundles=1)
    assert pull(b, back.url) == Pull(known=1)


def test_where_it_came_from_is_remembered(back: Back, another: Another) -> None:
    push(fill(another(), deltas(2)), back.url)
    b = another()
    pull(b, back.url)
    assert [epoch.origin for epoch in b.arrivals()] == [f"pull from {back.url}"]


def test_a_push_reads_no_more_than_what_is_not_there(
    dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = fill(another(), deltas(9))
    push(a, dictionary.url)
    fill(a, deltas(2, first=9))
    read: list[Delta] = []
    decode = Delta.decode
    monkeypatch.setattr(Delta, "decode", lambda envelope: read.append(decode(envelope)) or read[-1])
    assert push(a, dictionary.url).new == 2
    assert [each.id for each in read] == [each.id for each in deltas(2, first=9)], "in the order of the log"


def test_a_damaged_copy_pushes_what_is_sound(
    dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = fill(another(), deltas(3))
    damage = Finding("delta 2", "delta.signature", "this was not signed")
    sound = [delta(0), delta(2)]
    monkeypatch.setattr(Connection, "get_deltas", lambda _db, _ids, *, lost: (lost.append(damage), iter(sound))[1])
    pushed = push(a, dictionary.url)
    assert (pushed.new, pushed.lost) == (2, (damage,))


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_processes_push_at_once(kind: str, request: pytest.FixtureRequest, tmp_path: Path, another: Another) -> None:
    back = request.getfixturevalue(kind)
    files = []
    for number in range(2):
        files.append(str(tmp_path / f"{number}.db"))
        with connect(files[-1]) as db:
            fill(db, deltas(60, first=40 * number))
    command = (
        "import rhizomedb.remote.bundle as b, sys; b.ITEMS_MAX = 3; from rhizomedb.cli import main; sys.exit(main())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", command, "push", file, back.url, "--json"], stderr=subprocess.PIPE)
        for file in files
    ]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [(process.returncode, text) for process, text in zip(running, said, strict=True)] == [(0, b"")] * 2
    c = another()
    assert pull(c, back.url).new == 100
    assert pull(c, back.url).refused == ()


def test_ten_thousand_deltas(s3: Back, tmp_path: Path) -> None:
    with connect(tmp_path / "a.db") as a, connect(tmp_path / "b.db") as b:
        fill(a, deltas(10_000))
        pushed = push(a, s3.url)
        assert (pushed.new, pushed.bundles) == (10_000, 1)
        assert pull(b, s3.url).new == 10_000
        assert ids(a) == ids(b)
        assert push(b, s3.url) == Push(known=10_000)

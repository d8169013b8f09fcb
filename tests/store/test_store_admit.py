"""The one door: what is let in, what is held back until when, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from store_helpers import KEYS, NOW, delta, everything, said

from rhizomedb.errors import DeltaRefused
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, Admission, Epoch, Store, admit, release_due

AHEAD = NOW + AHEAD_MS_MAX


def hand(store: Store, *deltas: Delta, now_ms: int = NOW, origin: str = "peer") -> Admission:
    return admit(store, [each.encode() for each in deltas], now_ms=now_ms, origin=origin)


def test_new_and_known(store: Store) -> None:
    assert hand(store, said(1), said(2), said(1)) == Admission(new=2, known=1, epoch=1)
    assert hand(store, said(2), said(3)) == Admission(new=1, known=1, epoch=2)
    assert store.epochs() == [Epoch(1, NOW, "peer"), Epoch(2, NOW, "peer")]


def test_no_epoch_begins_for_nothing(store: Store) -> None:
    hand(store, said(1))
    assert hand(store) == Admission()
    assert hand(store, said(1), said(1)) == Admission(known=2)
    assert hand(store, said(2, ms=AHEAD + 1)) == Admission(held=1)
    assert store.epoch() == 1


def test_one_refused_keeps_everything_out(store: Store) -> None:
    before = everything(store)
    forged = said(2).encode()[:-1] + b"\x00"
    with pytest.raises(DeltaRefused) as caught:
        admit(store, [said(1).encode(), forged, said(3).encode()], now_ms=NOW, origin="peer")
    assert caught.value.code == "delta.signature"
    assert everything(store) == before


def test_or_only_itself(store: Store) -> None:
    handed = [said(1).encode(), b"", said(2).encode()[:-1], said(3).encode(), b"\x82"]
    admission = admit(store, handed, now_ms=NOW, origin="peer", refuse="collect")
    assert (admission.new, [refusal.place for refusal in admission.refused]) == (2, [1, 2, 4])
    assert store.counts(ALL)["deltas"] == 2


def test_every_flipped_bit_is_refused(store: Store) -> None:
    envelope = said(1).encode()
    flipped = []
    for bit in range(8 * len(envelope)):
        changed = bytearray(envelope)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(changed))
    admission = admit(store, flipped, now_ms=NOW, origin="peer", refuse="collect")
    assert admission.new == 0 and len(admission.refused) == len(flipped)


def test_it_streams(store: Store) -> None:
    alive: list[int] = []

    def many() -> Iterator[bytes]:
        for number in range(0, 3000, 100):
            alive.append(store.counts(ALL)["deltas"])
            yield delta(*(Fact(b"%d" % n, "text", "t" * 1000) for n in range(number, number + 100))).encode()

    assert admit(store, many(), now_ms=NOW, origin="import").new == 30
    assert alive[-1] > 0, "what was gathered is appended on the way"
    assert store.epoch() == 1


def test_it_joins_the_write_that_is_open(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.writing():
        assert hand(store, said(1)).new == 1
        raise ZeroDivisionError
    assert store.counts(ALL)["deltas"] == 0
    with store.writing():
        hand(store, said(1))
        hand(store, said(2))
    assert store.epoch() == 2


def test_a_delta_ahead_of_the_clock_waits_until_it_is_due(store: Store) -> None:
    assert hand(store, said(0, ms=AHEAD)) == Admission(new=1, epoch=1)
    assert hand(store, said(1, ms=AHEAD + 10), said(2, ms=AHEAD + 5), origin="bob") == Admission(held=2)
    assert hand(store, said(1, ms=AHEAD + 10)) == Admission(known=1)
    assert [held.due_ms for held in store.held()] == [NOW + 5, NOW + 10]
    assert store.next_due() == NOW + 5
    assert store.last_time().ms == AHEAD
    assert release_due(store, NOW + 4) == Admission()
    assert release_due(store, NOW + 5) == Admission(new=1, held=1, epoch=2)
    assert store.epochs()[-1] == Epoch(2, NOW + 5, "bob")
    assert release_due(store, NOW + 5) == Admission()
    assert hand(store, said(1, ms=AHEAD + 10), now_ms=NOW + 10) == Admission(new=1, epoch=3)
    assert store.held() == []


def test_each_origin_is_kept_when_deltas_are_released(store: Store) -> None:
    hand(store, said(1, ms=AHEAD + 1), origin="ann")
    hand(store, said(2, ms=AHEAD + 1), origin="bob")
    assert release_due(store, NOW + 1).new == 2
    assert [epoch.origin for epoch in store.epochs()] == ["ann", "bob"]


@pytest.mark.parametrize("ms", [0, 1, NOW - 10 * 365 * 86_400_000])
def test_the_past_is_never_refused(store: Store, ms: int) -> None:
    assert hand(store, said(1, ms=ms)).new == 1


def test_the_furthest_future_locks_nobody_out(store: Store) -> None:
    assert hand(store, said(1, ms=2**48 - 1, counter=2**16 - 1)).held == 1
    assert store.last_time().ms == 0
    assert hand(store, said(2)).new == 1


TRIO = [said(number, group=Group(b"g", 3)) for number in range(3)]


def test_a_group_shows_when_all_of_it_is_here(store: Store) -> None:
    assert hand(store, TRIO[0], said(9)) == Admission(new=1, held=1, epoch=1)
    assert hand(store, TRIO[1], TRIO[0], TRIO[1]) == Admission(held=1, known=2)
    assert store.counts(ALL)["deltas"] == 1
    assert hand(store, TRIO[2]) == Admission(new=3, epoch=2)
    assert store.held() == [] and store.counts(ALL)["deltas"] == 4
    assert {row[1] for row in store.scan("arrival", {}, ALL)} == {1, 2}
    assert hand(store, *TRIO) == Admission(known=3)
    extra = said(4, group=Group(b"g", 3))
    assert hand(store, extra) == Admission(new=1, epoch=3), "the group is here, and this is of it"


def test_a_group_that_comes_at_once(store: Store) -> None:
    assert hand(store, *TRIO) == Admission(new=3, epoch=1)
    assert hand(store, said(7, group=Group(b"alone", 1))) == Admission(new=1, epoch=2)


def test_a_group_is_of_one_author_id_and_size(store: Store) -> None:
    near = [
        said(0, group=Group(b"g", 2)),
        said(1, group=Group(b"g", 2), key=KEYS[1]),
        said(2, group=Group(b"g", 3)),
        said(3, group=Group(b"h", 2)),
    ]
    assert hand(store, *near) == Admission(held=4)


def test_a_group_waits_for_its_last_clock(store: Store) -> None:
    ahead = said(5, group=Group(b"g", 2), ms=AHEAD + 5)
    assert hand(store, ahead, said(6, group=Group(b"g", 2))) == Admission(held=2)
    assert release_due(store, NOW + 4) == Admission()
    assert release_due(store, NOW + 5) == Admission(new=2, epoch=1)


def test_a_due_member_goes_on_waiting_for_its_group(store: Store) -> None:
    hand(store, said(5, group=Group(b"g", 2), ms=AHEAD + 5))
    assert release_due(store, NOW + 5) == Admission(held=1)
    assert [held.due_ms for held in store.held()] == [None] and store.next_due() is None
    assert release_due(store, NOW + 6) == Admission()
    assert hand(store, said(6, group=Group(b"g", 2))) == Admission(new=2, epoch=1)

"""Quotas: what may wait of one author and origin, and how large a database may be."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from store_helpers import KEYS, NOW, delta, said, write

from rhizomedb.errors import RequestError, StoreError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, Admission, Store, admit, indexed, tiers
from rhizomedb.store.quota import Quota
from rhizomedb.store.room import share
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.tiers import Part

AHEAD = NOW + AHEAD_MS_MAX + 1


def take(store: Store, deltas: list[Delta], origin: str = "peer", refuse: str = "collect") -> Admission:
    return admit(store, [each.encode() for each in deltas], now_ms=NOW, origin=origin, refuse=refuse)  # type: ignore[arg-type]  # one of the two


def ahead(first: int, many: int, key: int = 0) -> list[Delta]:
    return [said(number, ms=AHEAD + number, key=KEYS[key]) for number in range(first, first + many)]


def grouped(many: int, size: int, name: bytes = b"g", key: int = 0) -> list[Delta]:
    return [said(number, group=Group(name, size), key=KEYS[key], counter=number) for number in range(many)]


def places(admission: Admission) -> list[int | None]:
    assert all(refusal.error.code == "store.quota" for refusal in admission.refused)
    return [refusal.place for refusal in admission.refused]


def test_the_usual_limits() -> None:
    assert (Quota().held_deltas, Quota().held_bytes, Quota().bytes) == (10_000, 32 << 20, None)


@pytest.mark.parametrize("limit", [-1, 1.5, True, "10"])
def test_a_limit_is_a_number(limit: object) -> None:
    with pytest.raises(RequestError) as caught:
        Quota(held_deltas=limit)  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.code == "db.usage"


def test_what_goes_beyond_is_refused_and_named_and_nothing_else_lost(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    admission = take(store, [said(100), *ahead(0, 5), said(101)])
    assert places(admission) == [4, 5] and (admission.new, admission.held) == (2, 3)
    assert len(store.held()) == 3
    message = admission.refused[0].error.message
    assert "its clock is ahead, and of author" in message and "3 deltas" in message


def test_or_all_of_it_is_refused(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    with pytest.raises(StoreError) as caught:
        take(store, [said(100), *ahead(0, 5)], refuse="raise")
    assert caught.value.code == "store.quota" and store.held() == [] and store.epoch() == 0


def test_each_author_has_a_share_and_each_origin(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    assert places(take(store, ahead(0, 2, key=0), "one")) == []
    assert places(take(store, ahead(10, 2, key=0), "two")) == [1], "of one author, by whatever way"
    assert places(take(store, ahead(20, 1, key=1), "one")) == []
    assert places(take(store, ahead(30, 1, key=2), "one")) == [0], "by one way, of whatever author"
    assert places(take(store, ahead(30, 1, key=2), "three")) == []


def test_bytes_count_too(store: Store) -> None:
    size = len(ahead(0, 1)[0].encode())
    store.quota = Quota(held_deltas=None, held_bytes=size * 2 + 10)
    assert places(take(store, ahead(0, 4))) == [2, 3]


def test_what_is_known_is_not_refused(store: Store) -> None:
    store.quota = Quota(held_deltas=2)
    assert places(take(store, ahead(0, 2))) == []
    again = take(store, ahead(0, 2))
    assert places(again) == [] and again.known == 2


def test_a_group_that_comes_whole_needs_no_share(store: Store) -> None:
    store.quota = Quota(held_deltas=2)
    admission = take(store, grouped(6, 6), refuse="raise")
    assert (admission.new, admission.held, store.held()) == (6, 0, [])


def test_the_rest_of_a_group_may_come_where_the_share_is_used_up(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    deltas = grouped(6, 6)
    assert places(take(store, deltas[:3])) == []
    assert take(store, deltas[3:], refuse="raise").new == 6 and store.held() == []


def test_an_incomplete_group_keeps_what_came_first(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    deltas = grouped(5, 6)
    admission = take(store, [said(100), *deltas])
    assert places(admission) == [4, 5] and (admission.new, admission.held) == (1, 3)
    assert {held.id for held in store.held()} == {delta.id for delta in deltas[:3]}


def test_a_complete_group_makes_room_for_an_incomplete_one(store: Store) -> None:
    store.quota = Quota(held_deltas=3)
    admission = take(store, [*grouped(4, 4, b"whole"), *grouped(3, 9, b"part", key=1)])
    assert places(admission) == [] and (admission.new, admission.held) == (4, 3)


def test_a_share_is_free_again_when_its_time_has_come(store: Store) -> None:
    store.quota = Quota(held_deltas=2)
    take(store, ahead(0, 2))
    later = AHEAD + 10
    from rhizomedb.store import release_due

    assert release_due(store, later).new == 2
    more = [said(number, ms=later + AHEAD_MS_MAX + 5) for number in (50, 51, 52)]
    admission = admit(store, [each.encode() for each in more], now_ms=later, origin="peer", refuse="collect")
    assert places(admission) == [2]


# -- the size of it all ------------------------------------------------------------------------------------------------


def test_a_write_that_is_too_large_is_refused_as_a_whole(store: Store) -> None:
    write(store, [said(1)])
    store.quota = Quota(bytes=200_000)
    with pytest.raises(StoreError) as caught:
        write(store, [said(number) for number in range(2, 2000)])
    assert caught.value.code == "store.quota" and "200,000 bytes" in caught.value.message
    assert store.epoch() == 1 and len(list(store.envelopes())) == 1
    assert write(store, [said(2)]) == 2, "a small one fits still"
    assert list(store.verify()) == []


def test_what_is_too_large_already_can_be_read_and_made_smaller(store: Store) -> None:
    from rhizomedb.facts.manifest import Block

    with store.writing():
        store.chunks.put([Block.chunk(b"x" * 50_000)])
    store.quota = Quota(bytes=10)
    with pytest.raises(StoreError) as caught:
        write(store, [said(number) for number in range(200)])
    assert caught.value.code == "store.quota"
    with store.writing():
        store.chunks.drop(list(store.chunks.cids()))
    assert store.chunks.total().blocks == 0


def test_files_of_few_facts_and_many_bytes_that_do_not_go_into_one_stay_as_they_are(path: str) -> None:
    chance = random.Random(7)
    store = SqliteStore(path, create=True, quota=Quota(memory=96 << 20))
    for number in range(4):
        write(store, [delta(Fact(b"%d-%d" % (number, n), "t", chance.randbytes(200_000))) for n in range(22)])
    assert store.counts(ALL)["facts"] == 88 and list(store.verify()) == []
    store.close()


def test_few_facts_of_many_bytes_are_merged_within_the_room_that_a_write_has(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    merge = indexed.merged

    def noted(parts: Sequence[Part]) -> Part:
        sizes.append(sum(len(part.buffer) for part in parts))
        return merge(parts)

    monkeypatch.setattr(indexed, "merged", noted)
    chance = random.Random(8)
    store = SqliteStore(path, create=True, quota=Quota(memory=96 << 20))
    large = (delta(Fact(b"%d" % number, "t", chance.randbytes(50_000))) for number in range(800))
    assert admit(store, large, now_ms=NOW, origin="test").new == 800
    assert len(sizes) > 2 and max(sizes) <= tiers.BYTES_MAX * share(96 << 20)
    store.close()

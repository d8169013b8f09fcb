"""Merging behind the back of a writer loses nothing that the writer added meanwhile."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import said, write

from rhizomedb.store import ALL, indexed, log, tiers
from rhizomedb.store.compact import sweep
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.indexed import Indexed
from rhizomedb.store.segment import Bounds
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.tiers import FACTS_MAX, FILES_TOGETHER, RATIO, Part, due


@pytest.fixture
def busy(path: str, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """A store whose every write ends in a file, and which merges nothing by itself."""
    monkeypatch.setattr(indexed, "TAIL_DELTAS", 1)
    monkeypatch.setattr(indexed, "SMALL", 0)
    store = SqliteStore(path, create=True)
    monkeypatch.setattr(store._keeper, "look", lambda: None)
    for number in range(4):
        write(store, [said(number)])
    return store


def catalogue(store: SqliteStore) -> list[int]:
    return [last for (last,) in store._file.run("SELECT last FROM segment ORDER BY last")]


def test_what_is_due_becomes_one(busy: SqliteStore, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "FILES_TOGETHER", 3)
    assert catalogue(busy) == [1, 2, 3, 4]
    tidier = Indexed(File(path, create=False, wait_ms=0))
    while tidier.tidy():
        pass
    assert catalogue(busy) == [4]
    assert len(list(busy.scan("fact", {}, ALL))) == 4
    assert list(busy.verify()) == []
    busy.close()


@pytest.mark.parametrize("chosen", [(0, 4), (1, 3), (2, 4)])
def test_what_was_added_meanwhile_stays(busy: SqliteStore, path: str, chosen: tuple[int, int]) -> None:
    tidier = Indexed(File(path, create=False, wait_ms=1000))

    def choose(parts: list[Part]) -> tuple[int, int]:
        write(busy, [said(10)])  # while the merge is under way
        write(busy, [said(11)])
        return chosen

    assert tidier.tidy(choose)
    assert catalogue(busy)[-3:] == [4, 5, 6] if chosen[1] == 4 else [5, 6]
    reopened = SqliteStore(path, create=False)
    assert reopened._indexed.tiers.parts == ()
    assert reopened.epoch() == 6
    assert len(reopened._indexed.tiers.in_memory) == 0, "nothing had to be read from the log"
    assert list(reopened.verify()) == []
    reopened.close()
    busy.close()


def test_a_merge_that_is_swept_away_changes_nothing(
    busy: SqliteStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidier = Indexed(File(path, create=False, wait_ms=1000))
    exchange = tidier._exchange

    def swept(old: list[Part], part: Part) -> bool:
        assert sweep(busy.file) == 1
        return exchange(old, part)

    monkeypatch.setattr(tidier, "_exchange", swept)
    assert tidier.tidy(lambda _: (0, 4))
    assert catalogue(busy) == [1, 2, 3, 4]
    monkeypatch.undo()
    assert Indexed(File(path, create=False, wait_ms=1000)).tidy(lambda _: (0, 4))
    assert len(os.listdir(Folder(path).path)) == 1 and list(busy.verify()) == []
    busy.close()


def test_a_merge_that_comes_second_changes_nothing(busy: SqliteStore, path: str) -> None:
    first, second = (Indexed(File(path, create=False, wait_ms=1000)) for _ in range(2))

    def choose(parts: list[Part]) -> tuple[int, int]:
        assert first.tidy(lambda _: (0, 4))
        return 1, 3

    assert second.tidy(choose)
    assert catalogue(busy) == [4]
    assert sorted(os.listdir(second.folder.path)) == [part.name for part in first.tiers.in_files]
    busy.close()


def test_a_reader_that_loses_the_race_with_a_merge_reads_the_segments_that_replace_the_old(
    busy: SqliteStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SqliteStore(path, create=False)
    tidier = Indexed(File(path, create=False, wait_ms=1000))
    mapped = Folder.map

    def overtaken(folder: Folder, name: str, size: int) -> memoryview | None:
        monkeypatch.setattr(Folder, "map", mapped)
        assert tidier.tidy(lambda _: (0, 4)), "it replaces what the reader is about to open"
        return mapped(folder, name, size)

    read = log.read
    stretches: list[tuple[int, int]] = []
    monkeypatch.setattr(
        log, "read", lambda file, after, last: stretches.append((after, last)) or read(file, after, last)
    )
    monkeypatch.setattr(Folder, "map", overtaken)
    assert reader.counts(ALL)["facts"] == 4
    assert stretches == [], "nothing had to be read from the log"
    (name,) = (part.name for part in reader._indexed.tiers.in_files)
    os.unlink(f"{path}-index/{name}")
    late = SqliteStore(path, create=False)
    assert late.counts(ALL)["facts"] == 4, "what is lost for good is made of the log"
    for store in (late, reader, busy):
        store.close()


def parts_of(weights: list[int]) -> list[Part]:
    return [Part(b"", None, Bounds(fact_last=weight), 0, 0, 0) for weight in weights]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], None),
        ([5], None),
        ([5] * (FILES_TOGETHER - 1), None),
        ([5] * FILES_TOGETHER, (0, FILES_TOGETHER)),
        ([50] + [5] * FILES_TOGETHER, (1, FILES_TOGETHER + 1)),
        ([FACTS_MAX // 2] * 3, (1, 3)),
        ([FACTS_MAX // 2 + 1] * 3, None),
        ([FACTS_MAX] * 9, None),
    ],
    ids=str,
)
def test_what_is_due(weights: list[int], expected: tuple[int, int] | None) -> None:
    assert due(parts_of(weights)) == expected


@given(st.lists(st.integers(1, FACTS_MAX), max_size=60))
def test_merging_ends_with_few_parts_that_are_not_too_large(weights: list[int]) -> None:
    whole = sum(weights)
    while span := due(parts_of(weights)):
        start, end = span
        weights[start:end] = [sum(weights[start:end])]
    assert sum(weights) == whole and max(weights, default=0) <= FACTS_MAX
    levels = 11  # from 1 to FACTS_MAX by RATIO
    assert RATIO**levels > FACTS_MAX
    assert len(weights) <= 4 * whole / FACTS_MAX + levels * FILES_TOGETHER


@given(st.lists(st.integers(1, 1000), min_size=300, max_size=300))
def test_a_fact_is_moved_a_few_times(sizes: list[int]) -> None:
    weights: list[int] = []
    moved = 0
    for size in sizes:
        weights.append(size)
        while span := due(parts_of(weights)):
            start, end = span
            weights[start:end] = [sum(weights[start:end])]
            moved += weights[start]
    assert moved <= 10 * sum(sizes)

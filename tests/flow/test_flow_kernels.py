"""Batches and tables: the kernels in Rust against their plain twins, and the versions of a table against plain sets."""

from __future__ import annotations

import random
from array import array
from threading import Thread
from time import perf_counter, sleep
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rhizomedb.flow import batch, components, table

try:
    import rhizomedb_native as native
except ImportError:
    native = None

PLAIN = SimpleNamespace(
    Batch=batch.Batch, Table=table.Table, intersect=table.intersect, first_reached=components.first_reached
)
TWINS = [PLAIN, native] if native else [PLAIN]
needs_native = pytest.mark.skipif(native is None, reason="the kernels in Rust are not built")
LAWS = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)
PLAIN_KIND, COUNTED, STAMPED = "plain", "counted", "stamped"

FAR = 0xFFFF_FFFE
"""The greatest id that a row of a table may have."""

SMALL = st.integers(0, 3)
NEAR_A_POWER = st.sampled_from([0, 1, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, (1 << 31) - 1, 1 << 31, FAR])
IDS = st.one_of(SMALL, SMALL, SMALL, NEAR_A_POWER)


def rows_of(width, max_size=8, ids=IDS):
    return st.lists(st.tuples(*[ids] * width), max_size=max_size)


def made(rows, width):
    """One batch of the same rows for each twin."""
    return [twin.Batch.of_rows(rows, width) for twin in TWINS]


def same(values):
    """What all twins gave, which must be one thing."""
    first, *others = values
    for other in others:
        assert other == first
    return first


# -- batches ----------------------------------------------------------------------------------------------------------


def content(made):
    return made.width, len(made), made.rows()


@st.composite
def batches(draw, width=None):
    width = draw(st.integers(0, 4)) if width is None else width
    return width, draw(rows_of(width, 12))


def numbers(ids):
    return array("I", ids)


def step_of_batch(draw, width, rows, twins):
    """One method, on the batch of each twin: what it gives."""
    shapes = ["whole", "slice", "masked", "distinct", "concatenated", "with_column", "shaped"]
    if width:
        shapes += ["column", "equal", "constant", "less", "among", "mapped", "ids"]
    column = st.integers(0, max(0, width - 1))
    match draw(st.sampled_from(shapes)):
        case "whole":
            return lambda each: each
        case "slice":
            first, last = draw(st.integers(0, 14)), draw(st.integers(0, 14))
            return lambda each: each.slice(first, last)
        case "masked":
            mask = draw(st.binary(min_size=len(rows), max_size=len(rows)))
            return lambda each: each.masked(mask)
        case "distinct":
            return lambda each: each.distinct()
        case "concatenated":
            return lambda each: type(each).concatenated([each, each.slice(1, 3), each], width)
        case "with_column":
            more = numbers(draw(st.lists(IDS, min_size=len(rows), max_size=len(rows))))
            return lambda each: each.with_column(more)
        case "shaped":
            columns = draw(st.lists(st.just(-1) | column if width else st.just(-1), max_size=5))
            constants = draw(st.lists(IDS, min_size=columns.count(-1), max_size=columns.count(-1)))
            return lambda each: each.shaped(columns, constants)
        case "column":
            chosen = draw(column)
            return lambda each: (bytes(each.column(chosen)), each.column_ids(chosen))
        case "ids":
            chosen = draw(column)
            return lambda each: each.distinct_ids(chosen)
        case "equal":
            left, right, wanted = draw(column), draw(column), draw(st.booleans())
            return lambda each: each.where_equal(left, right, wanted)
        case "less":
            left, right, equal = draw(column), draw(column), draw(st.booleans())
            return lambda each: each.where_less(left, right, equal)
        case "constant":
            chosen, id, wanted = draw(column), draw(IDS), draw(st.booleans())
            return lambda each: each.where_constant(chosen, id, wanted)
        case "among":
            chosen, among = draw(column), numbers(sorted(set(draw(st.lists(IDS, max_size=6)))))
            return lambda each: each.where_among(chosen, among)
        case "mapped":
            chosen, keys = draw(column), sorted(set(draw(st.lists(IDS, max_size=6))))
            images = numbers(draw(st.lists(IDS, min_size=len(keys), max_size=len(keys))))
            return lambda each: each.mapped(chosen, numbers(keys), images)
    raise AssertionError("every shape has a case")


@given(st.data(), batches())
@settings(LAWS, max_examples=300)
def test_batches_are_their_twins(data, given_batch):
    """Any methods, one on what the other gave."""
    width, rows = given_batch
    twins = made(rows, width)
    for _ in range(data.draw(st.integers(1, 4))):
        call = step_of_batch(data.draw, twins[0].width, twins[0].rows(), twins)
        found = [call(each) for each in twins]
        width = twins[0].width
        if not hasattr(found[0], "rows"):
            same(found)
            continue
        same([content(each) for each in found])
        twins = found


@given(batches())
@settings(LAWS, max_examples=100)
def test_batches_of_columns_are_those_of_rows(given_batch):
    """Columns are buffers of 32-bit numbers, or bytes."""
    width, rows = given_batch
    if not width:
        return
    columns = [numbers(row[column] for row in rows) for column in range(width)]
    for twin in TWINS:
        of_rows = content(twin.Batch.of_rows(rows, width))
        assert of_rows == (width, len(rows), rows)
        assert content(twin.Batch.of(columns)) == of_rows
        assert content(twin.Batch.of([column.tobytes() for column in columns])) == of_rows
        assert content(twin.Batch.of([memoryview(column.tobytes()) for column in columns])) == of_rows


@pytest.mark.parametrize("twin", TWINS)
def test_what_is_no_batch(twin):
    two = twin.Batch.of_rows([(1, 2)], 2)
    for broken in (
        lambda: twin.Batch.of([numbers([1]), numbers([])]),
        lambda: twin.Batch.of_rows([(1, 2), (1,)], 2),
        lambda: twin.Batch.concatenated([two], 1),
        lambda: two.masked(b""),
        lambda: two.with_column(numbers([])),
    ):
        with pytest.raises(AssertionError):
            broken()


# -- tables -----------------------------------------------------------------------------------------------------------


class Model:
    """What a table holds, as plain sets: the old version, the new one, and counts."""

    def __init__(self):
        self.old, self.new = set(), set()
        self.counts, self.old_counts, self.pending = {}, {}, {}

    def commit(self):
        self.old, self.old_counts = set(self.new), dict(self.counts)

    def rollback(self):
        self.new, self.counts, self.pending = set(self.old), dict(self.old_counts), {}

    def settle(self):
        for row, change in self.pending.items():
            self.counts[row] = self.counts.get(row, 0) + change
            if self.counts[row] > 0:
                self.new.add(row)
            else:
                self.new.discard(row)
        self.pending = {}


class Tables:
    """A table of each twin, and the model of them; every operation is done to all and compared."""

    def __init__(self, kind, width):
        self.kind, self.width = kind, width
        self.tables = [twin.Table(width, counted=kind == COUNTED, stamped=kind == STAMPED) for twin in TWINS]
        self.model = Model()
        self.stamp = 0
        self.only_added = True

    def __call__(self, method, *arguments, **options):
        """Call a method of each; batches among the arguments are given as (rows, width)."""
        found = []
        for number, each in enumerate(self.tables):
            own = [
                TWINS[number].Batch.of_rows(*argument) if isinstance(argument, tuple) else argument
                for argument in arguments
            ]
            found.append(getattr(each, method)(*own, **options))
        return found

    def add(self, rows):
        options = {"stamp": self.stamp + 1} if self.kind == STAMPED else {}
        new = same(self("add", (rows, self.width), **options))
        self.stamp += new
        assert new == len(set(rows) - self.model.new)
        self.model.new |= set(rows)

    def put(self, rows):
        fresh = [row for row in dict.fromkeys(rows) if row not in self.model.new]
        self("put", (fresh, self.width))
        self.model.new |= set(fresh)

    def remove(self, rows):
        gone = same(self("remove", (rows, self.width)))
        assert gone == len(set(rows) & self.model.new)
        self.model.new -= set(rows)
        self.only_added = False

    def count(self, rows, sign):
        model = self.model
        kept = []
        for row in rows:
            now = model.counts.get(row, 0) + model.pending.get(row, 0)
            if now + sign >= 0:
                model.pending[row] = model.pending.get(row, 0) + sign
                kept.append(row)
        self("count", (kept, self.width), sign)

    def settle(self):
        self.model.settle()
        found = [(set(came.rows()), set(gone.rows()), len(came), len(gone)) for came, gone in self("settle")]
        came, gone, came_size, gone_size = same(found)
        assert (came, gone) == (self.model.new - self.model.old, self.model.old - self.model.new)
        assert (came_size, gone_size) == (len(came), len(gone)), "a change has each row once"

    def commit(self):
        self.settle()
        self("commit")
        self.model.commit()

    def rollback(self):
        self("rollback")
        self.model.rollback()

    def look(self):
        """The versions, and the sizes that are exact."""
        if self.kind == COUNTED and self.model.pending:
            return
        for new, rows in ((True, self.model.new), (False, self.model.old)):
            found = same([sorted(each.rows()) for each in self("read", new)])
            assert found == sorted(rows)
        assert same(map(len, self.tables)) == len(self.model.new)
        assert same([each.extent for each in self.tables]) >= len(self.model.new | self.model.old)
        same([each.mark for each in self.tables])
        for each in self.tables:
            assert each.width == self.width
            assert each.bytes >= 4 * self.width * len(self.model.new)


THREADS = st.integers(1, 3)


def operations(draw, tables, bounded):
    """One operation on the tables."""
    width, kind = tables.width, tables.kind
    some = rows_of(width, 8 if bounded else 60)
    shapes = ["settle", "commit", "rollback", "read", "probe", "probe", "probe", "matching", "matching", "size"]
    shapes += ["count"] * 6 if kind == COUNTED else ["add", "add", "add", "remove", "remove"]
    if kind == PLAIN_KIND and tables.only_added:
        shapes += ["put"]
    if kind == STAMPED:
        shapes += ["with_stamps", "matching after"]
    shape = draw(st.sampled_from(shapes))
    if kind == COUNTED and tables.model.pending and shape not in ("count", "rollback", "commit"):
        tables.settle()  # what was counted and not settled is in neither version
    match shape:
        case "add" | "put" | "remove":
            getattr(tables, shape)(draw(some))
        case "count":
            tables.count(draw(some), draw(st.sampled_from([1, 1, -1])))
        case "settle" | "commit" | "rollback":
            getattr(tables, shape)()
        case "read":
            first, last = draw(st.integers(0, 12)), draw(st.none() | st.integers(0, 12))
            new = draw(st.booleans())
            same([each.rows() for each in tables("read", new, first, last)])
        case "probe":
            probe(draw, tables)
        case "matching" | "matching after":
            matching(draw, tables, shape == "matching after")
        case "with_stamps":
            known = sorted(tables.model.new)
            rows = draw(st.lists(st.sampled_from(known), max_size=6)) if known else []
            same([each.rows() for each in tables("with_stamps", (rows, width))])
        case "size":
            sizes(draw, tables)


def asked(draw, tables, more=0):
    """A batch and keys over it: the width of the batch, its rows, and the keys."""
    asking = draw(st.integers(0, 3))
    rows = draw(rows_of(asking, 6))
    if more:
        bounds = st.integers(0, tables.stamp + 2)
        rows = [(*row, *(draw(bounds) for _ in range(more))) for row in rows]
    columns = draw(st.permutations(range(tables.width)))[: draw(st.integers(0, tables.width))]
    if draw(st.booleans()):
        columns = sorted(columns)
    keys = []
    for column in columns:
        from_batch = asking and draw(st.integers(0, 3))
        keys.append((column, draw(st.integers(0, asking - 1)), 0) if from_batch else (column, -1, draw(IDS)))
    return asking, rows, keys


def agreeing(tables, rows, keys, new):
    """For each asking row, the rows of a version of the model that agree with it."""
    held = tables.model.new if new else tables.model.old
    return [
        [one for one in held if all(one[c] == (row[place] if place >= 0 else id) for c, place, id in keys)]
        for row in rows
    ]


def probe(draw, tables):
    bounded = int(tables.kind == STAMPED and draw(st.booleans()))
    width, rows, keys = asked(draw, tables, bounded)
    whole = width + bounded
    new, limit = draw(st.booleans()), draw(st.integers(1, 9))
    keep = draw(st.lists(st.integers(0, whole - 1), max_size=3)) if whole else []
    most = tables.width + (tables.kind == STAMPED)
    take = draw(st.lists(st.integers(0, most - 1), max_size=4)) if most else []
    start, pieces = draw(st.integers(0, 2)) if len(rows) > 2 else 0, []
    first = start
    while start < len(rows):
        found = tables("probe", (rows, whole), keys, keep, take, new, width if bounded else -1, start, limit)
        piece, start = same([(piece.rows(), then) for piece, then in found])
        pieces += piece
    everything = tables("probe", (rows, whole), keys, keep, take, new, width if bounded else -1, first)
    assert same([(piece.rows(), then) for piece, then in everything])[0] == pieces
    if not bounded and tables.kind != STAMPED:
        expected = [
            (*(row[column] for column in keep), *(one[column] for column in take))
            for row, ones in zip(rows[first:], agreeing(tables, rows[first:], keys, new), strict=True)
            for one in ones
        ]
        assert sorted(pieces) == sorted(expected)


def matching(draw, tables, after):
    bounded = draw(st.integers(1, 2)) if after else int(tables.kind == STAMPED and draw(st.booleans()))
    width, rows, keys = asked(draw, tables, bounded)
    new, wanted = draw(st.booleans()), draw(st.booleans())
    options = {"after": list(range(width, width + bounded))} if after else {"before": width} if bounded else {}
    found = tables("matching", (rows, width + bounded), keys, wanted, new, **options)
    kept = same([each.rows() for each in found])
    if not bounded:
        expected = [
            row for row, ones in zip(rows, agreeing(tables, rows, keys, new), strict=True) if bool(ones) == wanted
        ]
        assert kept == expected


def sizes(draw, tables):
    """Estimates: never less than what is there; exact while nothing was ever taken away."""
    columns = draw(st.permutations(range(tables.width)))[: draw(st.integers(0, tables.width))]
    ids = [draw(IDS) for _ in columns]
    held = tables.model.new | tables.model.old
    there = sum(all(row[column] == id for column, id in zip(columns, ids, strict=True)) for row in tables.model.new)
    different = len({tuple(row[column] for column in columns) for row in tables.model.new})
    for each in tables.tables:
        size, keys = each.size(list(zip(columns, ids, strict=True))), each.keys(list(columns))
        assert there <= size <= each.extent
        assert different <= keys <= max(1, each.extent)
        if tables.only_added and tables.kind != COUNTED and held == tables.model.new:
            assert (size, keys) == (there, different)


@given(st.data(), st.sampled_from([PLAIN_KIND, COUNTED, STAMPED]), st.integers(0, 4))
@settings(LAWS, max_examples=250)
def test_tables_are_their_twins(data, kind, width):
    tables = Tables(kind, width)
    for _ in range(data.draw(st.integers(1, 14))):
        operations(data.draw, tables, bounded=True)
        tables.look()
    tables.commit()
    tables.look()


@given(st.data(), st.sampled_from([PLAIN_KIND, COUNTED, STAMPED]), st.integers(1, 3))
@settings(LAWS, max_examples=12)
def test_packing_changes_nothing(data, kind, width):
    """More deletions than a table keeps: what is left, and all that is asked afterwards, stays the same."""
    tables = Tables(kind, width)
    many = [(number, number % 7, number % 3)[:width] for number in range(2 * table.DEAD_MIN + 500)]
    add = tables.add if kind != COUNTED else lambda rows: tables.count(rows, 1)
    remove = tables.remove if kind != COUNTED else lambda rows: tables.count(rows, -1)
    add(many)
    tables.commit()
    same([each.rows() for each in tables("matching", (many[:5], width), [(0, 0, 0)], True)])  # postings are there
    remove(many[data.draw(st.integers(0, 600)) :])
    add(data.draw(rows_of(width)))
    if data.draw(st.booleans()):
        tables.rollback()
        tables.look()
        remove(many[200:])
    before = tables.tables[0].extent
    tables.commit()
    tables.look()
    assert same([each.extent for each in tables.tables]) < before, "it was packed"
    for _ in range(data.draw(st.integers(1, 8))):
        operations(data.draw, tables, bounded=True)
        tables.look()


@given(st.data(), st.integers(0, FAR - 200), st.integers(1, 4))
@settings(LAWS, max_examples=12)
def test_pairs_close_together_and_then_one_far_away(data, least, pieces):
    """A set of pairs goes from hashes to bits and back as the ids lie; no answer says so."""
    tables = Tables(PLAIN_KIND, 2)
    close = [(least + left, least + right) for left in range(0, 60) for right in range(0, 60, 1 + left % 3)]
    size = -(-len(close) // pieces)
    for first in range(0, len(close), size):
        tables.add(close[first : first + size])
        tables.add(close[first : first + 3])
    for _ in range(data.draw(st.integers(1, 4))):
        far = data.draw(rows_of(2, 4)) + data.draw(st.lists(st.sampled_from(close), max_size=4))
        match data.draw(st.sampled_from(["add", "remove", "put", "commit", "rollback"])):
            case "add":
                tables.add(far)
            case "remove":
                tables.remove(far)
            case "put" if tables.only_added:
                tables.put(far)
            case "commit":
                tables.commit()
            case "rollback":
                tables.rollback()
        asking = (far + close[:40] + [(FAR, 0), (0, FAR), (least, FAR), (FAR, least)], 2)
        whole = [(0, 0, 0), (1, 1, 0)]
        for new in (True, False):
            held = tables.model.new if new else tables.model.old
            found = same([each.rows() for each in tables("matching", asking, whole, True, new)])
            assert found == [row for row in asking[0] if row in held]
        for keys in ([(0, 0, 0)], [(1, 0, 0)], [(1, 1, 0), (0, 0, 0)]):
            same([piece.rows() for piece, _ in tables("probe", asking, keys, [0, 1], [0, 1])])
        tables.look()


@pytest.mark.parametrize("twin", TWINS)
def test_what_no_table_does(twin):
    one, two = twin.Batch.of_rows([(1,)], 1), twin.Batch.of_rows([(1, 2)], 2)
    counted = twin.Table(2, counted=True)
    for broken in (
        lambda: twin.Table(2).add(one),
        lambda: twin.Table(2).remove(one),
        lambda: twin.Table(2).count(two, 1),
        lambda: counted.add(two),
        lambda: counted.remove(two),
        lambda: (counted.count(two, -1), counted.settle()),
        lambda: twin.Table(2).with_stamps(two),
        lambda: twin.Table(2, stamped=True).matching(two, [], True, True, 0, [1]),
    ):
        with pytest.raises(AssertionError):
            broken()


@pytest.mark.parametrize("twin", TWINS)
def test_a_count_that_never_was_can_be_taken_back(twin):
    rows = twin.Batch.of_rows([(1, 2), (3, 4)], 2)
    counted = twin.Table(2, counted=True)
    counted.count(rows, 1)
    counted.settle()
    counted.commit()
    counted.count(twin.Batch.of_rows([(1, 2), (5, 6)], 2), 1)
    counted.count(twin.Batch.of_rows([(3, 4), (3, 4)], 2), -1)
    with pytest.raises(AssertionError, match="more often than it was derived"):
        counted.settle()
    counted.rollback()
    counted.count(rows, -1)  # once, as before
    assert sorted(counted.settle()[1].rows()) == [(1, 2), (3, 4)]


# -- what tables cost -------------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from([PLAIN_KIND, COUNTED, STAMPED]), st.randoms(use_true_random=False))
@settings(LAWS, max_examples=25)
def test_rows_that_come_and_go_under_a_few_keys(data, kind, chance):
    """The places of a key make room for others, in either version, before and after a step that was not taken."""
    tables = Tables(kind, 2)
    whole = [(key, number) for key in range(3) for number in range(8)]
    (tables.add if kind != COUNTED else lambda rows: tables.count(rows, 1))(whole)
    tables.commit()
    for _ in range(60):
        come, go = (chance.sample(whole, chance.randint(0, 4)) for _ in range(2))
        if kind == COUNTED:
            tables.count(go, -1)
            tables.count(come, 1)
            tables.settle()
        else:
            tables.remove(go)
            tables.add(come)
        asking = ([(key,) for key in range(3)], 1)
        for new in (True, False):
            for keys in ([(0, 0, 0)], [(1, 0, 0), (0, -1, 1)]):
                pieces = tables("probe", asking, keys, [0], [0, 1], new)
                assert len(same([sorted(piece.rows()) for piece, _ in pieces])) == sum(
                    map(len, agreeing(tables, asking[0], keys, new))
                )
        (tables.rollback if chance.random() < 0.2 else tables.commit)()
        tables.look()


@pytest.mark.parametrize("columns", [[0], [0, 1]], ids=str)
@pytest.mark.parametrize("twin", TWINS)
def test_a_key_whose_rows_come_and_go_has_few_places(twin, columns):
    """However often one group of many changes, to look it up costs what it has."""
    held, steps = twin.Table(3), 2000
    held.add(twin.Batch.of_rows([(number, 0, 0) for number in range(1, 3 * steps)], 3))
    held.commit()
    held.keys(columns)
    for step in range(steps):
        held.remove(twin.Batch.of_rows([(0, 0, step)], 3))
        held.add(twin.Batch.of_rows([(0, 0, step + 1)], 3))
        assert held.size([(column, 0) for column in columns]) <= 4
        held.commit()
    assert held.extent == 4 * steps - 1, "nothing was packed"


@pytest.mark.parametrize("twin", TWINS)
def test_pairs_that_come_one_after_the_other_are_not_written_anew_each_time(twin):
    """Where a set of bits is outgrown by every batch, it grows as a list does."""
    held, sizes = twin.Table(2), set()
    for number in range(500):
        held.add(twin.Batch.of_rows([(number, other) for other in range(64)], 2))
        sizes.add(held.bytes - 8 * held.extent)
    assert len(held) == 500 * 64
    assert twin is PLAIN or len(sizes) < 30


@pytest.mark.parametrize("twin", TWINS)
def test_whether_there_is_any_row_is_not_asked_of_all(twin):
    def least_s(rows):
        held = twin.Table(1, counted=True)
        held.count(twin.Batch.of_rows([(number,) for number in range(rows)], 1), 1)
        held.settle()
        held.commit()
        asking = twin.Batch.of_rows([(1,)], 1)
        times = []
        for _ in range(30):
            began = perf_counter()
            assert not len(held.matching(asking, [], False))
            times.append(perf_counter() - began)
        return min(times)

    assert least_s(50_000 if twin is PLAIN else 1_000_000) < 5 * least_s(100) + 10e-6


# -- several tables at once -------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 3))
@settings(LAWS, max_examples=150)
def test_intersections_are_their_twins(data, size):
    """Pieces of any limit sum up to the same, which is what the definition says."""
    draw = data.draw
    many = [Tables(draw(st.sampled_from([PLAIN_KIND, COUNTED, STAMPED])), 2) for _ in range(size)]
    for tables in many:
        for _ in range(draw(st.integers(0, 3))):
            if tables.kind == COUNTED:
                tables.count(draw(rows_of(2, 12)), draw(st.sampled_from([1, -1])))
            elif draw(st.integers(0, 2)):
                tables.add(draw(rows_of(2, 12)))
            else:
                tables.remove(draw(rows_of(2, 5)))
            tables.commit() if draw(st.booleans()) else tables.settle()
    stamped = any(tables.kind == STAMPED for tables in many) and draw(st.booleans())
    width = draw(st.integers(1, 3))
    rows = [(*row, draw(st.integers(0, 4))) for row in draw(rows_of(width, 6))]
    keys, bounds = [], []
    for tables in many:
        column, place = draw(st.integers(0, 1)), draw(st.integers(-1, width - 1))
        keys.append((column, place, 0 if place >= 0 else draw(SMALL)))
        bounds.append(width if stamped and tables.kind == STAMPED else -1)
    keep, once = draw(st.lists(st.integers(0, width - 1), max_size=3)), draw(st.booleans())
    found = []
    for number, twin in enumerate(TWINS):
        held = [tables.tables[number] for tables in many]
        asking = twin.Batch.of_rows(rows, width + 1)
        for limit in (1, draw(st.integers(1, 20)), 1 << 18):
            start, pieces, threads = 0, [], draw(THREADS)
            while start < len(rows):
                piece, then = twin.intersect(asking, held, keys, keep, bounds, once, start, limit, threads)
                assert then > start, "every piece goes on"
                single, end = twin.intersect(asking, held, keys, keep, bounds, once, start, limit)
                assert (piece.rows(), then) == (single.rows(), end), "threads do not show"
                assert piece.width == len(keep) + (not once)
                pieces, start = pieces + piece.rows(), then
            found.append(sorted(pieces))
    pieces = same(found)
    if not stamped:
        expected = []
        for row in rows:
            each = [
                {one[1 - c] for one in tables.model.new if one[c] == (row[place] if place >= 0 else id)}
                for tables, (c, place, id) in zip(many, keys, strict=True)
            ]
            kept, common = tuple(row[column] for column in keep), set.intersection(*each)
            expected += ([kept] if common else []) if once else [(*kept, id) for id in common]
        assert pieces == sorted(expected)


def random_pairs(twin, nodes, edges, seed):
    chance = random.Random(seed)
    return twin.Batch.of_rows([(chance.randrange(nodes), chance.randrange(nodes)) for _ in range(edges)], 2)


@pytest.mark.parametrize("limit", [1, 7, 100, 1 << 18])
@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("twin", TWINS)
def test_many_rows_are_cut_where_one_thread_cuts_them(twin, threads, limit):
    """Triangles of a random graph: many pieces for each thread, some of which nobody needs any more."""
    edges = random_pairs(twin, 40, 600, seed=1)
    table = twin.Table(2)
    table.add(edges)
    keys, start = [(0, 0, 0), (0, 1, 0)], 0
    asked = ([table, table], keys, [0, 1], [-1, -1], False)
    while start < len(edges):
        piece, then = twin.intersect(edges, *asked, start, limit, threads)
        single, start = twin.intersect(edges, *asked, start, limit)
        assert (piece.rows(), then) == (single.rows(), start)
    assert start == len(edges)


@needs_native
@pytest.mark.parametrize("threads", [1, 2])
def test_an_intersection_lets_other_threads_run(threads):
    edges = random_pairs(native, 2_000, 400_000, seed=2)
    table = native.Table(2)
    table.add(edges)
    work = Thread(
        target=native.intersect,
        args=(edges, [table, table], [(0, 0, 0), (0, 1, 0)], [], [-1, -1], True, 0, 1 << 24, threads),
    )
    work.start()
    steps = 0
    while work.is_alive():
        sleep(0.001)
        steps += 1
    assert steps > 5, "one long call held nobody up"


GRAPHS = st.lists(st.tuples(IDS | st.integers(0, 9), IDS | st.integers(0, 9)), max_size=16)


@given(GRAPHS, st.booleans(), st.randoms(use_true_random=False))
@settings(LAWS, max_examples=300)
def test_first_reached_is_the_least_of_the_closure(edges, ranked, chance):
    reached = set(edges)
    while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
        reached |= more
    nodes = sorted({node for edge in edges for node in edge})
    rank = dict(zip(nodes, chance.sample(range(100), len(nodes)), strict=True)) if ranked else {n: n for n in nodes}
    expected = {a: min((b for one, b in reached if one == a), key=rank.__getitem__) for a, _ in reached}
    ranks = (numbers(nodes), numbers(rank[node] for node in nodes)) if ranked else None
    for twin in TWINS:
        assert sorted(twin.first_reached(twin.Batch.of_rows(edges, 2), ranks).rows()) == sorted(expected.items())


@pytest.mark.parametrize("twin", TWINS)
def test_what_has_no_first(twin):
    for edges, width, ranks in (([(1,)], 1, None), ([(1, 2)], 2, (numbers([1]), numbers([0])))):
        with pytest.raises(AssertionError):
            twin.first_reached(twin.Batch.of_rows(edges, width), ranks)

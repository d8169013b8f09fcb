"""The index of a text's order: tables, laws against the naive order, and the kernel against its plain twin."""

from __future__ import annotations

import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.crdt import rope

try:
    import rhizomedb_native as native
except ImportError:
    native = None

needs_native = pytest.mark.skipif(native is None, reason="the kernels in Rust are not built")
both = pytest.mark.parametrize(
    "twin", [pytest.param(rope, id="python"), pytest.param(native, id="rust", marks=needs_native)]
)
MOST = rope.COUNTER_MAX


class Naive:
    """The order by its definition: characters, each with what comes after it, walked through anew each time."""

    def __init__(self):
        self.runs, self.gone = [], set()

    def order(self):
        """All characters."""
        under = {}
        for run, (parent, offset, length, counter, tie) in enumerate(self.runs):
            if length:
                under.setdefault((parent, offset), []).append((counter, tie, run))
        found, stack = [], [(None, 0)]
        while stack:
            run, at = stack.pop()
            if run is not None:
                found.append((run, at))
                if at + 1 < self.runs[run][2]:
                    stack.append((run, at + 1))
            stack += [(child, 0) for *_, child in sorted(under.get((run, at), []))]
        return found

    def visible(self):
        return [each for each in self.order() if each not in self.gone]

    def has(self, parent, offset):
        return offset == 0 if parent is None else parent < len(self.runs) and offset < self.runs[parent][2]

    def siblings(self, parent, offset):
        return [each for each in self.runs if each[:2] == (parent, offset) and each[2]]

    def position(self, run, offset):
        order = self.order()
        return sum(each not in self.gone for each in order[: order.index((run, offset))])

    # the operations, each with the answer that is right

    def insert(self, parent, offset, length, counter, tie):
        if not self.has(parent, offset):
            return None
        self.runs.append((parent, offset, length, counter, tie))
        return self.position(len(self.runs) - 1, 0)

    def extend(self, run, count):
        if not self.has(run, 0) or self.siblings(run, self.runs[run][2] - 1):
            return False
        self._resize(run, count)
        return True

    def shrink(self, run, count):
        length = self.runs[run][2] if self.has(run, 0) else 0
        last = range(length - count, length)
        if not length or count > length or any(self.siblings(run, at) or (run, at) in self.gone for at in last):
            return False
        self._resize(run, -count)
        return True

    def _resize(self, run, by):
        parent, offset, length, counter, tie = self.runs[run]
        self.runs[run] = parent, offset, length + by, counter, tie

    def delete(self, run, start, count):
        """The positions that go, one after the other."""
        length = self.runs[run][2] if run < len(self.runs) else 0
        found = []
        for at in range(start, min(start + count, length)):
            if (run, at) not in self.gone:
                found.append(self.visible().index((run, at)))
                self.gone.add((run, at))
        return found

    def counter(self, parent, offset):
        return min(max((each[3] for each in self.siblings(parent, offset)), default=0) + 1, MOST)


def one_by_one(deleted):
    return [position for position, count in deleted for _ in range(count)]


def characters(spans):
    return [(run, start + at) for run, start, count in spans for at in range(count)]


def check(one, naive):
    visible = naive.visible()
    assert len(one) == len(visible)
    assert characters(one.spans(0, len(visible) + 5)) == visible
    assert [one.at(position) for position in range(len(visible) + 1)] == [*visible, None]
    for start in range(0, len(visible), 3):
        assert characters(one.spans(start, 4)) == visible[start : start + 4]
    for run, at in naive.order():
        assert one.position(run, at) == naive.position(run, at)
        assert one.counter(run, at) == naive.counter(run, at)
    assert one.counter(None, 0) == naive.counter(None, 0)


def perform(one, naive, op):
    """The same on both; their answers are the same."""
    what, *rest = op
    runs = len(naive.runs)
    match what:
        case "insert":
            run, offset, length, counter, tie = rest
            # near the newest runs, where texts are written, or at the beginning, or after what is not there
            parent = None if run == 0 or not runs else max(0, runs - run)
            offset = 0 if parent is None and offset < 6 else offset
            counter = naive.counter(parent, offset) if counter == 0 and naive.has(parent, offset) else max(1, counter)
            assert one.insert(runs, parent, offset, length, counter, tie) == naive.insert(
                parent, offset, length, counter, tie
            )
        case "type":
            position, length = rest
            visible = naive.visible()
            parent, offset = visible[position % len(visible)] if visible else (None, 0)
            counter = one.counter(parent, offset)
            assert one.insert(runs, parent, offset, length, counter, b"") == naive.insert(
                parent, offset, length, counter, b""
            )
        case "delete":
            run, start, count = rest
            run = max(0, runs - run)
            assert one_by_one(one.delete(run, start, count)) == naive.delete(run, start, count)
        case "extend" | "shrink":
            run, count = rest
            run = max(0, runs - run)
            assert getattr(one, what)(run, count) == getattr(naive, what)(run, count)


OPS = st.one_of(
    st.tuples(
        st.just("insert"),
        st.integers(0, 8),
        st.integers(0, 6),
        st.integers(1, 6),
        st.sampled_from([0, 0, 1, 2, 3, MOST - 1, MOST]),
        st.sampled_from([b"", b"a", b"b"]),
    ),
    st.tuples(st.just("type"), st.integers(0, 40), st.integers(1, 4)),
    st.tuples(st.just("delete"), st.integers(0, 8), st.integers(0, 6), st.integers(0, 2**40) | st.integers(0, 3)),
    st.tuples(st.sampled_from(["extend", "shrink"]), st.integers(0, 4), st.integers(0, 4)),
)


@both
@given(st.lists(OPS, max_size=25), st.sampled_from([1, 2, 3, 128]))
@settings(max_examples=300)
def test_the_order_is_the_naive_one(twin, ops, most):
    one, naive = twin.Rope(most), Naive()
    for op in ops:
        perform(one, naive, op)
    check(one, naive)


@both
@given(st.lists(OPS, max_size=14), st.randoms(use_true_random=False))
def test_each_step_is_the_naive_one(twin, ops, chance):
    one, naive = twin.Rope(chance.choice([1, 2, 128])), Naive()
    for op in ops:
        perform(one, naive, op)
        check(one, naive)


@both
@given(st.lists(OPS, max_size=20), st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_the_characters_stand_alike(twin, ops, chance):
    naive = Naive()
    for op in ops:
        alone(naive, op)
    left, numbers, one = list(range(len(naive.runs))), {None: None}, twin.Rope(2)
    while left:
        ready = [run for run in left if naive.runs[run][0] in numbers]
        run = chance.choice(ready)
        left.remove(run)
        parent, offset, length, counter, tie = naive.runs[run]
        numbers[run] = len(numbers) - 1
        # what makes equals differ is the number here, which is that of arrival: so ties differ, as CIDs do
        tie += run.to_bytes(4, "big")
        assert one.insert(numbers[run], numbers[parent], offset, length, counter, tie) is not None
    gone = sorted(naive.gone)
    chance.shuffle(gone)
    for run, at in gone:
        one.delete(numbers[run], at, 1)
    back = {number: run for run, number in numbers.items()}
    assert [(back[run], at) for run, at in characters(one.spans(0, len(one)))] == naive.visible()


def alone(naive, op):
    """An operation on the naive order alone; nothing shrinks."""
    what, *rest = op
    runs = len(naive.runs)
    if what == "insert":
        run, offset, length, counter, tie = rest
        parent = None if run == 0 or not runs else max(0, runs - run)
        naive.insert(parent, offset, length, max(1, counter), tie)
    elif what == "type":
        visible = naive.visible()
        parent, offset = visible[rest[0] % len(visible)] if visible else (None, 0)
        naive.insert(parent, offset, rest[1], naive.counter(parent, offset), b"")
    elif what in ("delete", "extend"):
        getattr(naive, what)(max(0, runs - rest[0]), *rest[1:])


@both
@pytest.mark.parametrize(("ties", "again", "stands"), [
    ([b"b", b"a"], b"c", False), ([b"b", b"a"], b"aa", True), ([b"a"], b"z", True), ([b"c", b"b", b"a"], b"bb", False),
])  # fmt: skip
def test_a_tie_that_is_learned_later(twin, ties, again, stands):
    one = twin.Rope()
    for run, tie in enumerate(ties):
        one.insert(run, None, 0, 1, 1, tie)
    assert one.settle(len(ties) - 1, again) == stands


@both
def test_to_grow_by_nothing_leaves_no_trace(twin):
    """A span of no characters once stood behind a deleted one; parted into blocks, the next to grow there was misplaced."""
    one, naive = twin.Rope(2), Naive()
    for op in [("type", 0, 2), ("delete", 5, 0, 3), ("extend", 4, 0), ("extend", 2, 1), ("type", 26, 3)]:
        perform(one, naive, op)
    check(one, naive)


@both
def test_long_chains_and_many_siblings_take_neither_the_stack_nor_long(twin):
    one, count = twin.Rope(), 3000
    for run in range(count):
        assert one.insert(run, None if run == 0 else run - 1, 0, 1, 1, b"") == run
    for run in range(count, 2 * count):
        assert one.insert(run, count - 1 if run == count else run - 1, 0, 1, 1, b"") == run
    assert one.insert(2 * count, count - 1, 0, 1, 1, b"") == count, "of equals, who came last is first"
    for run in range(2 * count + 1, 3 * count):
        one.insert(run, count - 2, 0, 1, MOST - run, b"")
    assert len(one) == 3 * count
    assert one.counter(count - 2, 0) == MOST - (2 * count + 1) + 1


@both
def test_what_is_deleted_again_and_again_takes_no_longer(twin):
    """A run in as many spans as it has characters, of which whoever likes says again and again that they are deleted."""
    one, count = twin.Rope(), 3000
    one.insert(0, None, 0, count, 1, b"")
    for offset in range(count):
        one.insert(offset + 1, 0, offset, 1, 1, b"")
    assert len(one.delete(0, 0, count)) == count
    begun = process_time()
    assert not any(one.delete(0, start, count) for start in range(count))
    assert process_time() - begun < 1, "it is a look-up; spans walked over again took ten times as long and more"
    assert len(one) == count


@both
@pytest.mark.parametrize("call", [
    lambda one: one.insert(1, None, 0, 1, 1, b""), lambda one: one.insert(0, None, 0, 0, 1, b""),
    lambda one: one.insert(0, None, 0, 1, 0, b""), lambda one: one.insert(0, None, 0, 1, 2**63, b""),
    lambda one: one.insert(0, None, 0, 2**32, 1, b""), lambda one: one.insert(-1, None, 0, 1, 1, b""),
    lambda one: one.counter(0, 0), lambda one: one.counter(None, 1), lambda one: one.position(0, 0),
    lambda one: one.settle(0, b""), lambda one: one.spans(-1, 1), lambda one: one.delete(0, -1, 1),
    lambda one: one.extend(0, -1), lambda one: one.shrink(0, -1),
])  # fmt: skip
def test_what_is_asked_wrongly(twin, call):
    with pytest.raises(AssertionError):
        call(twin.Rope())


@both
def test_what_is_not_there(twin):
    one = twin.Rope()
    assert one.insert(0, 3, 0, 1, 1, b"") is None and one.insert(0, None, 1, 1, 1, b"") is None
    assert one.insert(0, -1, 0, 1, 1, b"") is None and one.insert(0, None, -1, 1, 1, b"") is None
    assert one.delete(0, 0, 1) == [] and one.at(0) is None and one.spans(0, 9) == [] and len(one) == 0
    assert not one.extend(0, 1) and not one.shrink(0, 1)
    with pytest.raises(AssertionError):
        twin.Rope(0)


@needs_native
@pytest.mark.parametrize("seed", range(3))
def test_twins_agree_on_long_histories(seed):
    chance = random.Random(seed)
    most = chance.choice([4, 128])
    one, other = rope.Rope(most), native.Rope(most)
    lengths = []

    def both(name, *arguments):
        answer = getattr(one, name)(*arguments)
        assert getattr(other, name)(*arguments) == answer
        return answer

    for _ in range(3000):
        run = chance.randrange(len(lengths)) if lengths else 0
        match chance.choices(["type", "insert", "delete", "extend", "shrink", "settle"], [8, 4, 4, 3, 1, 1])[0]:
            case "type":
                parent, offset = both("at", chance.randrange(len(one))) or (None, 0) if len(one) else (None, 0)
                both("insert", len(lengths), parent, offset, 3, both("counter", parent, offset), b"")
                lengths.append(3)
            case "insert":
                parent = run if lengths and chance.random() < 0.9 else None
                offset = chance.randrange(lengths[run]) if parent is not None and lengths[run] else 0
                length, counter = chance.randint(1, 9), chance.randint(1, 4)
                if both("insert", len(lengths), parent, offset, length, counter, chance.randbytes(1)) is not None:
                    lengths.append(length)
            case "delete":
                both("delete", run, chance.randint(0, 9), chance.randint(0, 9))
            case "extend" | "shrink" as what if lengths:
                count = chance.randint(0, 3)
                if both(what, run, count):
                    lengths[run] += count if what == "extend" else -count
            case "settle" if lengths and lengths[run] and is_alone(one, run):
                assert both("settle", run, chance.randbytes(1))
    assert both("spans", 0, len(one))
    for run, length in enumerate(lengths):
        for offset in range(length):
            both("position", run, offset)


def is_alone(one, run):
    """Whether nothing else was put after the same character."""
    of = one._runs[run]
    return len(one._under[of.parent, of.offset]) == 1

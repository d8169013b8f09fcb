"""Sources and sinks: epochs by hand, synchronously and with asyncio (D7 to D12, O2 to O6)."""

from __future__ import annotations

import asyncio

import pytest
from circuit_helpers import CLOSURE, EDGE, plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.budget import Budget
from rhizomedb.errors import BudgetExceeded, FlowError, ValueRefused
from rhizomedb.facts.value import exact
from rhizomedb.flow.circuit import Changes, Circuit, Dataflow, Done, Feed, Inbox, Sink, Source, ZSet
from rhizomedb.flow.circuit.operators import Inspect, Plus

PLAN = plan_of(CLOSURE, EDGE)
BATCHES = [ZSet.of([(1, 2)]), ZSet.of([(2, 3), (3, 1)]), ZSet({(2, 3): -1, (3, 4): 1})]


async def each(*batches):
    for batch in batches:
        await asyncio.sleep(0)
        yield batch


def once(batch):
    given = [batch]

    def ask():
        return given.pop() if given else None

    return ask


def once_async(batch):
    given = [batch]

    async def ask():
        return given.pop() if given else None

    return ask


def summed(events, relation="path"):
    result = ZSet()
    for event in events:
        if isinstance(event, Changes) and event.relation == relation:
            result += event.change
    return result


# -- sources --------------------------------------------------------------------------------------------------------

ALL = ZSet.of([(1, 2), (3, 1), (3, 4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Source(iter(BATCHES), "edge")],
        lambda: [Source(BATCHES, "edge")],
        lambda: [Source(once(batch), "edge") for batch in BATCHES],
        lambda: [Source(each(*BATCHES), "edge")],
        lambda: [Source(once_async(batch), "edge") for batch in BATCHES],
        lambda: [Source(each(*BATCHES[:2]), "edge"), Source(BATCHES[2:], "edge")],
        lambda: [Source([dict(batch) for batch in BATCHES], "edge")],
        lambda: [Source([[(1, 2)], [(3, 1), (3, 4)]], "edge")],
    ],
    ids=["iterator", "list", "callables", "async iterator", "async callables", "mixed", "mappings", "rows"],
)
def test_d9_d10_sources_of_every_kind(make):
    """Whatever the kind, the relation is what its sources' weights sum to; a source may take back."""
    dataflow = Dataflow.of(PLAN, sources=make())
    asyncio.run(dataflow.run())
    assert dataflow.holds("path") == ZSet.of([(1, 2), (3, 1), (3, 2), (3, 4)])


def test_d7_one_source_can_be_asked_alone():
    program = "all(from: X) :- edge(from: X). hers(from: X) :- alice(from: X)."
    plan = plan_of(program, {**EDGE, "alice": ("from", "to")})
    sources = [Source([[(1, 2)]], ("edge", "alice"), name="alice"), Source([[(1, 3), (2, 3)]], "edge", name="bob")]
    dataflow = Dataflow.of(plan, sources=sources)
    dataflow.run_epoch()
    assert dataflow.holds("all") == ZSet.of([(1,), (2,)])
    assert dataflow.holds("hers") == ZSet.of([(1,)])


def test_two_sources_that_say_the_same_have_to_take_it_back_both():
    dataflow = Dataflow.of(PLAN)
    dataflow.step({"edge": ZSet({(1, 2): 2})})
    assert dataflow.step({"edge": ZSet({(1, 2): -1})})["path"] == ZSet()
    assert dataflow.step({"edge": ZSet({(1, 2): -1})})["path"] == ZSet({(1, 2): -1})


def test_d8_a_source_that_sleeps_holds_up_no_other():
    async def main():
        asleep = asyncio.Event()

        async def sleepy():
            await asleep.wait()
            yield ZSet.of([(2, 3)])

        seen = []

        def see(event):
            seen.append(event)
            if event == Done(2):
                asleep.set()

        sources = [Source(sleepy(), "edge"), Source([[(5, 6)], [(6, 7)], [(7, 8)]], "edge")]
        dataflow = Dataflow.of(PLAN, sources=sources, sinks=[Sink(see, "path")])
        await dataflow.run()
        return seen, dataflow.holds("path")

    seen, path = asyncio.run(main())
    told = [event.epoch for event in seen if isinstance(event, Changes) and (2, 3) in event.change]
    assert told == [3]
    assert len(path) == 7


def test_o5_every_source_is_drained_before_anything_runs():
    log = []
    circuit = Circuit()
    left = circuit.add(Inspect(lambda change: log.append("ran")), circuit.source("left"))
    circuit.sink("both", circuit.add(Plus(), left, circuit.source("right")))

    def source(name):
        def ask():
            log.append(name)
            return ZSet.of([name])

        return ask

    dataflow = Dataflow(circuit, sources=[Source(source(name), name) for name in ("left", "right")])
    for _ in range(2):
        dataflow.run_epoch()
    assert log == ["left", "right", "ran"] * 2


def test_an_inbox_gives_an_epoch_everything_that_was_put():
    inbox = Inbox()
    dataflow = Dataflow.of(PLAN, sources=[Source(inbox, "edge")])
    inbox.put(ZSet.of([(1, 2)]))
    inbox.put(ZSet({(1, 2): -1, (2, 3): 1}))
    assert dataflow.run_epoch()["path"] == ZSet.of([(2, 3)])
    assert dataflow.run_epoch()["path"] == ZSet()


@pytest.mark.parametrize("is_async", [False, True])
def test_what_sources_gave_is_kept_when_an_epoch_fails(is_async):
    chain = ZSet.of((n, n + 1) for n in range(30))
    budgets = iter([Budget(facts=50), Budget()])
    source = Source(each(chain) if is_async else [chain], "edge")
    dataflow = Dataflow.of(PLAN, sources=[source], meter=lambda: next(budgets).meter())

    def epoch():
        if is_async:
            asyncio.run(dataflow.run())
        else:
            dataflow.run_epoch()

    with pytest.raises(BudgetExceeded):
        epoch()
    assert dataflow.epoch == 0
    assert dataflow.staged == {"edge": [chain]}
    epoch()
    assert len(dataflow.holds("path")) == 30 * 31 / 2
    assert not dataflow.staged


def test_what_an_epoch_failed_at_can_be_discarded():
    meters = iter([Budget(facts=1), Budget()])
    dataflow = Dataflow.of(PLAN, sources=[Source([BATCHES[1]], "edge")], meter=lambda: next(meters).meter())
    with pytest.raises(BudgetExceeded):
        dataflow.run_epoch()
    dataflow.discard()
    assert dataflow.run_epoch()["path"] == ZSet()


def failing():
    raise OSError("no such disk")


async def failing_later():
    raise OSError("no such disk")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (failing, "OSError: no such disk (mine)"),
        (failing_later, "OSError: no such disk (mine)"),
        ([3], "int is no kind of batch (mine)"),
        (["text"], "str is no kind of batch (mine)"),
        (each(4), "int is no kind of batch (mine)"),
    ],
)
def test_sources_that_fail_say_which(given, message):
    dataflow = Dataflow.of(PLAN, sources=[Source(given, "edge", name="mine")])
    with pytest.raises(FlowError) as caught:
        asyncio.run(dataflow.run())
    assert str(caught.value).startswith(f"flow.source: {message}")


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("flow.source", lambda: Source("text", "edge")),
        ("flow.source", lambda: Source(3, "edge")),
        ("flow.sink", lambda: Sink(3, "path")),
        ("flow.unknown", lambda: Dataflow.of(PLAN, sources=[Source([], "edgy")])),
        ("flow.unknown", lambda: Dataflow.of(PLAN, sinks=[Feed("pathh")])),
        ("flow.unknown", lambda: Dataflow.of(PLAN).holds("edge")),
        ("flow.unknown", lambda: Dataflow.of(PLAN).step({"egde": ZSet()})),
        ("flow.row", lambda: Dataflow.of(PLAN).step({"edge": ZSet.of([(1, 2, 3)])})),
        ("flow.row", lambda: Dataflow.of(PLAN).step({"edge": ZSet.of([4])})),
        ("flow.source", lambda: Dataflow.of(PLAN).step({"edge": "text"})),
        ("flow.source", lambda: Dataflow.of(PLAN, sources=[Source(each(), "edge")]).run_epoch()),
        ("flow.sink", lambda: Dataflow.of(PLAN, sinks=[Sink(failing_later, "path")]).run_epoch()),
    ],
)
def test_refused(code, make):
    with pytest.raises(FlowError) as caught:
        make()
    assert caught.value.code == code


@pytest.mark.parametrize("by_hand", [True, False])
def test_values_stay_apart(by_hand):
    """1, 1.0 and true are three values, although Python calls them equal, in one batch too."""
    rows = [(1, 1), (1.0, 1), (True, 1)]
    dataflow = Dataflow.of(PLAN, sources=[Source([rows], "edge")])
    told = dataflow.step({"edge": rows}) if by_hand else dataflow.run_epoch()
    assert told["path"] == ZSet.of((exact(x), 1) for x, _ in rows)
    dataflow = Dataflow.of(PLAN)
    dataflow.step({"edge": ZSet.of([(1, 2)])})
    assert dataflow.step({"edge": ZSet.of([(1.0, True)])})["path"] == ZSet.of([(exact(1.0), exact(True))])


# -- sinks ----------------------------------------------------------------------------------------------------------


def test_d11_a_sink_gets_the_tuples_of_rules_with_its_name_as_head():
    seen = []
    dataflow = Dataflow.of(PLAN, sinks=[Sink(seen.append, "path")])
    dataflow.step({"edge": ZSet.of([(1, 2)])})  # by hand: the result is the caller's
    assert seen == []
    dataflow = Dataflow.of(PLAN, sources=[Source([[(1, 2)], [], [(2, 3)]], "edge")], sinks=[Sink(seen.append, "path")])
    for _ in range(3):
        dataflow.run_epoch()
    assert seen == [
        Changes(0, "path", ZSet.of([(1, 2)])),
        Done(0),
        Done(1),
        Changes(2, "path", ZSet.of([(1, 3), (2, 3)])),
        Done(2),
    ]


@given(
    st.lists(
        st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(-2, 2), max_size=5), max_size=6
    )
)
@settings(max_examples=80, deadline=None)
def test_changes_are_consolidated(epochs):
    """A tuple comes or goes in an epoch, never both; what came is there, what went was."""
    feed = Feed("path", epochs_max=10)
    dataflow = Dataflow.of(PLAN, sources=[Source([ZSet(epoch) for epoch in epochs], "edge")], sinks=[feed])
    held = ZSet()
    for _ in epochs:
        dataflow.run_epoch()
        for event in feed:
            if isinstance(event, Changes):
                assert {weight for _, weight in event.change} <= {1, -1}
                held += event.change
        assert held.is_set
        assert held == dataflow.holds("path")


@pytest.mark.parametrize("slow", ["async", "feed"])
def test_o6_d12_a_slow_sink_sees_epochs_whole_in_order_and_holds_nobody_up(slow):
    async def main():
        started, release, seen, quick = asyncio.Event(), asyncio.Event(), [], []

        async def takes_its_time(event):
            started.set()
            await release.wait()
            seen.append(event)

        async def read():
            await release.wait()
            async for event in feed:
                seen.append(event)

        def see(event):
            quick.append(event)
            if event == Done(4):
                release.set()  # only now: five epochs have run while the slow one took nothing

        feed = Feed("path")
        slow_sink = Sink(takes_its_time, "path") if slow == "async" else feed
        reader = asyncio.ensure_future(read()) if slow == "feed" else None
        batches = [[(n, n + 1)] for n in range(5)]
        dataflow = Dataflow.of(PLAN, sources=[Source(batches, "edge")], sinks=[slow_sink, Sink(see, "path")])
        await dataflow.run()
        if reader:
            await reader
        return seen, quick

    seen, quick = asyncio.run(main())
    assert seen == quick
    assert [event.epoch for event in seen if isinstance(event, Done)] == [0, 1, 2, 3, 4]
    assert [event.epoch for event in seen] == sorted(event.epoch for event in seen)
    assert len(summed(seen)) == 15


def test_d12_backpressure_evaluation_waits_when_the_queue_is_full():
    async def main():
        depth, seen = [], []

        async def takes_its_time(event):
            depth.append(len(sink.waiting))
            for _ in range(10):
                await asyncio.sleep(0)
            seen.append(event)

        sink = Sink(takes_its_time, "path", epochs_max=2)
        dataflow = Dataflow.of(PLAN, sources=[Source([[(n, n + 1)] for n in range(8)], "edge")], sinks=[sink])
        await dataflow.run()
        return depth, seen

    depth, seen = asyncio.run(main())
    assert max(depth) == 2
    assert [event.epoch for event in seen if isinstance(event, Done)] == list(range(8))
    assert len(summed(seen)) == 36


def test_an_async_source_is_read_ahead_but_not_far():
    async def main():
        given, release = [], asyncio.Event()

        async def eager():
            for n in range(20):
                given.append(n)
                yield ZSet.of([(n, n + 1)])

        async def blocks(event):
            await release.wait()

        sink = Sink(blocks, "path", epochs_max=1)
        dataflow = Dataflow.of(PLAN, sources=[Source(eager(), "edge", batches_max=3)], sinks=[sink])
        run = asyncio.ensure_future(dataflow.run())
        for _ in range(50):
            await asyncio.sleep(0)
        ahead = len(given)
        release.set()
        await run
        return ahead, len(given), len(dataflow.holds("path"))

    ahead, given_, path = asyncio.run(main())
    assert ahead <= 3 + 3 + 1
    assert (given_, path) == (20, 210)


def test_a_run_that_is_cancelled_loses_nothing():
    async def main():
        async def eager():
            for n in range(10):
                yield ZSet.of([(n, n + 1)])

        async def blocks(event):
            await asyncio.Event().wait()

        sink = Sink(blocks, "path", epochs_max=1)
        dataflow = Dataflow.of(PLAN, sources=[Source(eager(), "edge", batches_max=100)], sinks=[sink])
        run = asyncio.ensure_future(dataflow.run())
        for _ in range(50):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        taken = dataflow.staged.get("edge", [])
        events = [event for epoch in sink.waiting for event in epoch]
        return dataflow, taken, events

    dataflow, taken, events = asyncio.run(main())
    assert summed(events) == dataflow.holds("path")
    edges = ZSet.of((n, n + 1) for n in range(10))
    staged = ZSet()
    for batch in taken:
        staged += batch
    seen = {edge for edge in edges.elements() if edge in dataflow.holds("path")}
    assert staged.elements() | seen == edges.elements()
    dataflow.step({"edge": staged})
    assert len(dataflow.holds("path")) == 55


@pytest.mark.parametrize("is_async", [False, True])
def test_a_sink_that_fails_keeps_what_it_did_not_take(is_async):
    taken, working = [], []

    def take(event):
        if not working and event == Done(0):
            raise OSError("disk full")
        taken.append(event)

    async def take_later(event):
        take(event)

    sink = Sink(take_later if is_async else take, "path", name="mine")
    other = Feed("path")
    dataflow = Dataflow.of(PLAN, sources=[Source([[(1, 2)], [(2, 3)]], "edge")], sinks=[sink, other])

    def run():
        if is_async:
            asyncio.run(dataflow.run())
        else:
            dataflow.run_epoch()

    with pytest.raises(FlowError, match=r"flow\.sink: OSError: disk full \(mine\)"):
        run()
    assert taken == [Changes(0, "path", ZSet.of([(1, 2)]))]
    working.append(True)
    run()
    assert taken == list(other)
    assert summed(taken) == dataflow.holds("path") == ZSet.of([(1, 2), (1, 3), (2, 3)])


def test_a_feed_that_nobody_reads_stops_synchronous_epochs_before_they_begin():
    feed = Feed("path", epochs_max=1)
    dataflow = Dataflow.of(PLAN, sources=[Source([[(1, 2)], [(2, 3)]], "edge")], sinks=[feed])
    dataflow.run_epoch()
    with pytest.raises(FlowError, match=r"flow\.sink: 1 epochs wait to be read"):
        dataflow.run_epoch()
    assert dataflow.epoch == 1
    assert list(feed)[-1] == Done(0)
    assert len(dataflow.run_epoch()["path"]) == 2


def test_several_sinks_of_several_relations():
    plan = plan_of(CLOSURE + "far(to: Y) :- path(from: 1, to: Y).", EDGE)
    both, one = Feed(("path", "far")), Feed("far")
    dataflow = Dataflow.of(plan, sources=[Source([[(1, 2), (2, 3)]], "edge")], sinks=[both, one])
    dataflow.run_epoch()
    assert [getattr(event, "relation", "done") for event in both] == ["path", "far", "done"]
    assert list(one) == [Changes(0, "far", ZSet.of([(2,), (3,)])), Done(0)]


def test_a_dataflow_is_run_once_at_a_time():
    async def main():
        dataflow = Dataflow.of(PLAN, sources=[Source(each(*BATCHES), "edge")])
        first = asyncio.ensure_future(dataflow.run())
        await asyncio.sleep(0)
        with pytest.raises(FlowError, match=r"flow\.running"):
            await dataflow.run()
        await first
        await dataflow.run()

    asyncio.run(main())


def test_rows_hold_values_and_nothing_else():
    for wrong in (None, float("nan"), 2**63, [1]):
        with pytest.raises(ValueRefused):
            Dataflow.of(PLAN).step({"edge": [(1, wrong)]})


def test_o2_o4_epochs_are_counted_here_and_told_to_nobody():
    dataflow = Dataflow.of(PLAN)
    epochs = []
    for _ in range(3):
        epochs.append(dataflow.epoch)
        change = dataflow.step({"edge": ZSet.of([(1, 2)])})["path"]
        assert all(len(row) == 2 for row, _ in change)
    assert epochs == [0, 1, 2]

"""Time in programs: `@next` rules, events, and coming to rest, over plain relations and over the epochs of a log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import rhizomedb
from rhizomedb import Fact
from rhizomedb.db.programs import timeline as timelines
from rhizomedb.db.programs.stepping import Stepping
from rhizomedb.errors import BudgetExceeded, Error, ProgramError
from rhizomedb.logic import parse
from rhizomedb.logic.monotone import monotonicity
from rhizomedb.logic.syntax import Atom, Constant, Program, Rule

CHECKBOX = """
event click(id: text).
relation checkbox(id: text, checked: bool).
checkbox(id: I, checked: C)@next :- checkbox(id: I, checked: C), !click(id: I).
checkbox(id: I, checked: false)@next :- checkbox(id: I, checked: true), click(id: I).
checkbox(id: I, checked: true)@next :- checkbox(id: I, checked: false), click(id: I).
"""


def boxes(step):
    return {row.id: row.checked for row in step["checkbox"]}


def clicks(*ids):
    return {"click": [(each,) for each in ids]}


def test_p4_l6_the_checkbox():
    state = {"checkbox": [("a", False), ("b", True)]}
    events = [clicks("a"), {}, clicks("a", "b"), {}]
    found = list(rhizomedb.steps(CHECKBOX, events=events, state=state))
    assert list(map(boxes, found)) == [
        {"a": False, "b": True}, {"a": True, "b": True}, {"a": True, "b": True}, {"a": False, "b": False},
    ]  # fmt: skip
    assert [step.is_at_rest for step in found] == [False, True, False, True]
    (*_, last) = rhizomedb.steps(CHECKBOX, events=[*events, {}], state=state)
    assert (last.number, boxes(last), last.is_at_rest) == (4, boxes(found[3]), True), "t4 = t3"


def test_l6_what_is_said_of_the_next_step_does_not_hold_in_this_one():
    text = "event e(x). p(x: X)@next :- e(x: X). p(x: X)@next :- p(x: X). q(x: X) :- p(x: X). n(x: X) :- e(x: X), !p(x: X)."
    found = list(rhizomedb.steps(text, events=[{"e": [(1,)]}]))
    assert [(len(step["p"]), len(step["q"]), len(step["n"])) for step in found] == [(0, 0, 1), (1, 1, 0)]


def test_l11_inductive_rules_see_the_whole_step():
    text = "event e(x). c(n: N) :- N := count : e(). s(n: N)@next :- c(n: N), e(). s(n: N)@next :- s(n: N), !e()."
    found = list(rhizomedb.steps(text, events=[{"e": [(1,), (2,)]}, {}, {"e": [(7,)]}]))
    assert [[row.n for row in step["s"]] for step in found] == [[], [2], [2], [1]]


def test_steps_are_made_as_they_are_asked_for():
    asked = []

    def forever():
        while True:
            asked.append(1)
            yield clicks("a")

    found = rhizomedb.steps(CHECKBOX, events=forever(), state={"checkbox": [("a", False)]})
    assert [boxes(next(found)) for _ in range(4)] == [{"a": False}, {"a": True}, {"a": False}, {"a": True}]
    assert len(asked) == 4


def test_a_budget_counts_steps():
    endless = (clicks("a") for _ in range(10_000))
    with pytest.raises(BudgetExceeded) as caught:
        list(rhizomedb.steps(CHECKBOX, events=endless, budget=rhizomedb.Budget(rounds=20)))
    assert caught.value.code == "budget.rounds"


def test_why_a_tuple_was_carried():
    *_, last = rhizomedb.steps(CHECKBOX, events=[clicks("a")], state={"checkbox": [("a", False)]})
    assert '`checkbox@before`(id: "a", checked: true)' in str(last["checkbox"].why(("a", True)))


REFUSED = [
    ("steps(CHECKBOX, {'click': []})", "db.relation", "is an event, and lives for one step"),
    ("list(steps(CHECKBOX, events=[{'clack': []}]))", "db.relation", "'clack' is not declared as an event"),
    ("steps(CHECKBOX, {'checkbox': []})", "db.relation", "is carried from step to step"),
    ("steps(CHECKBOX, events={'click': [('a',)]})", "db.usage", "one mapping for each step"),
    ("steps(CHECKBOX, state={'chekbox': []})", "db.relation", "is carried from no step to the next"),
    ("steps(CHECKBOX, state={'checkbox': [('a',)]})", "logic.columns", "a row of checkbox has 1 values"),
    ("next(steps(CHECKBOX))['box']", "db.relation", "derives no relation 'box'"),
    ("steps('p(x: X)@next :- q(x: X).', {'q': [(1,)]})", "logic.inductive", "neither repeats its head"),
    ("steps('p(x: X)@next :- q(x: X), !p(x: X).', {'q': [(1,)]})", "logic.inductive", "neither repeats its head"),
    ("evaluate(CHECKBOX)", "logic.next-unsupported", "has a rule with @next"),
    ("open(':memory:').query(CHECKBOX)", "logic.event-source", "`click` is declared as an event"),
    ("open(':memory:').view(CHECKBOX)", "logic.event-source", "`click` is declared as an event"),
    ("open(':memory:').query('event v(x). p(x: X) :- v(x: X).')", "logic.event-source", "`v` is declared as an event"),
    ("open(':memory:').explain('p(x: X) :- arrives(value: X).')", "logic.next-unsupported", "step by step"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "code", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(call, code, message):
    with pytest.raises(Error) as caught:
        eval(call, {**vars(rhizomedb), "CHECKBOX": CHECKBOX, "steps": rhizomedb.steps, "evaluate": rhizomedb.evaluate,
                    "open": rhizomedb.open})  # fmt: skip
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.fix


# -- random programs against a slow reference -------------------------------------------------------------------------------

DEDUCTIVE = [
    "q(x: X) :- s(x: X), !e(x: X).", "q(x: X) :- n(x: X), !s(x: X).", "q(x: X) :- e(x: X).", "q(x: 3) :- n(), !s().",
    "s(x: X) :- n(x: X), X > 2.", "r(x: X) :- s(x: X), t(x: X).", "r(x: N) :- N := count : s().",
    "r(x: Y) :- r(x: X), d(x: X, y: Y).", "w(x: X) :- n(x: X), !r(x: X).",
    "v(x: X) :- e(x: X), t(x: X).", "v(x: Y) :- v(x: X), d(x: X, y: Y).",
]  # fmt: skip
INDUCTIVE = [
    "s(x: X)@next :- e(x: X).", "s(x: X)@next :- s(x: X), !e(x: X).", "s(x: X)@next :- s(x: X), !w(x: X).",
    "s(x: X)@next :- s(x: X), t(x: X).", "s(x: Y)@next :- v(x: X), d(x: X, y: Y).",
    "t(x: X)@next :- t(x: X).", "t(x: X)@next :- t(x: X), !s(x: X).", "t(x: Y)@next :- e(x: X), d(x: X, y: Y).",
    "t(x: X)@next :- s(x: X), e(), t(x: X).", "t(x: N)@next :- e(), N := count : q().", "t(x: X)@next :- t(x: X), !r(x: X).",
]  # fmt: skip
DECLARED = "event e(x). relation n(x). relation d(x, y). relation q(x). relation r(x). relation s(x). relation t(x). relation v(x). relation w(x).\n"
DERIVED = ("q", "r", "s", "t", "v", "w")


def programs():
    rules = st.tuples(
        st.lists(st.sampled_from(DEDUCTIVE), max_size=5, unique=True),
        st.lists(st.sampled_from(INDUCTIVE), min_size=1, max_size=5, unique=True),
    )
    return rules.map(lambda two: parse(DECLARED + "\n".join([*two[0], *two[1]]))).filter(means_something)


def means_something(program):
    try:
        rhizomedb.steps(program, {"n": [], "d": []})
    except ProgramError:
        return False
    return True


values = st.integers(0, 4)
rows = st.lists(st.tuples(values), max_size=3)
pairs = st.lists(st.tuples(values, values), max_size=4)


def reference(program, relations, events, state):
    """One step: what was carried is written into the program as facts, and what comes next is asked by another name."""
    ground = [Rule(Atom(name, (("x", Constant(x)),))) for name, some in state.items() for (x,) in some]
    rules = [
        Rule(Atom(f"next_{rule.head.relation}", rule.head.arguments), rule.body) if rule.inductive else rule
        for rule in program.rules
    ]
    declarations = tuple(replace(each, event=False) for each in program.declarations)
    now = Program((*ground, *rules, *parse("nothing(x: 0).").rules), declarations)
    found = rhizomedb.evaluate(now, {**relations, "e": events})
    held = {name: {tuple(row) for row in found.get(name, ())} for name in DERIVED}
    heads = {rule.head.relation for rule in program.rules if rule.inductive}
    return held, {name: {tuple(row) for row in found[f"next_{name}"]} for name in heads}


def check_steps(program, n, d, events):
    budget = rhizomedb.Budget(rounds=60)  # to come to rest takes no more steps than there are tuples
    found = list(rhizomedb.steps(program, {"n": n, "d": d}, [{"e": each} for each in events], budget=budget))
    heads = {rule.head.relation for rule in program.rules if rule.inductive}
    state, place = {name: set() for name in heads}, 0
    for step in found:
        coming = events[place] if place < len(events) else []
        held, carried = reference(program, {"n": n, "d": d}, coming, state)
        assert {name: {tuple(row) for row in step.relations.get(name, ())} for name in DERIVED} == held
        assert step.is_at_rest == (not coming and carried == state)
        state, place = carried, place + 1
    assert place >= len(events) and found[-1].is_at_rest


@given(programs(), rows, pairs, st.lists(rows, max_size=4))
@settings(max_examples=150, deadline=None)
def test_e12_every_program_that_passes_comes_to_rest_and_each_step_is_the_reference(program, n, d, events):
    check_steps(program, n, d, events)


def forgetful(make, self, over, state, events, meter):
    return make(self, over, self.nothing, events, meter)


def hasty(make, self, over, state, events, meter):
    return replace(make(self, over, state, events, meter), is_at_rest=True)


@pytest.mark.parametrize("broken", [forgetful, hasty])
def test_a_broken_engine_is_caught(broken, monkeypatch):
    """One that forgets what was carried, and one that says too soon that it is at rest."""
    make = Stepping.make
    monkeypatch.setattr(Stepping, "make", lambda *parts: broken(make, *parts))
    search = given(programs(), rows, pairs, st.lists(rows, max_size=4))(check_steps)
    with pytest.raises((AssertionError, BudgetExceeded)):
        settings(max_examples=200, deadline=None, database=None, phases=[Phase.generate])(search)()


@given(programs(), rows, pairs, st.lists(rows, min_size=1, max_size=3), st.lists(rows, min_size=3, max_size=3))
@settings(max_examples=100, deadline=None)
def test_what_is_called_monotone_is_kept_and_grows_with_the_events(program, n, d, events, more):
    few = list(rhizomedb.steps(program, {"n": n, "d": d}, [{"e": each} for each in events]))
    many = list(
        rhizomedb.steps(program, {"n": n, "d": d}, [{"e": [*a, *b]} for a, b in zip(events, more, strict=False)])
    )
    for name, each in monotonicity(program).items():
        if each.is_monotone:
            held, also = ([{tuple(row) for row in step[name]} for step in found] for found in (few, many))
            assert all(before <= after for before, after in pairwise(held)), name
            assert all(a <= b for a, b in zip(held[: len(events)], also, strict=False)) and held[-1] <= also[-1], name


# -- over a log --------------------------------------------------------------------------------------------------------------

OVER_LOG = """
click(box: E) :- arrives(entity: E, attribute: "click").
made(box: E) :- arrives(entity: E, attribute: "box/made").
box(id: E, on: false)@next :- made(box: E).
box(id: E, on: C)@next :- box(id: E, on: C), !click(box: E).
box(id: E, on: false)@next :- box(id: E, on: true), click(box: E).
box(id: E, on: true)@next :- box(id: E, on: false), click(box: E).
"""


def by_hand(history):
    """The boxes and the clicks of each epoch, counted: how often each was clicked since it was made."""
    on, found = {}, [({}, set())]
    for said in history:
        clicked = {entity for entity, attribute, _ in said if attribute == "click"}
        for entity in clicked & on.keys():
            on[entity] = not on[entity]
        for entity, attribute, _ in said:
            if attribute == "box/made":
                on.setdefault(entity, False)
                # made again while it is on: both stand until a click
        found.append((dict(on), clicked))
    return found


def histories():
    """In each epoch some boxes are made, each once, and some are clicked."""
    kind = st.sampled_from(["made", "click", "click", "other"])
    return st.lists(st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), kind, min_size=1), max_size=6).map(_said)


def _said(epochs):
    made, history = set(), []
    for number, epoch in enumerate(epochs):
        said = []
        for entity, kind in epoch.items():
            attribute = {"made": "box/made", "click": "click", "other": "other"}[kind]
            if kind == "made" and entity in made:
                attribute = "other"
            made |= {entity} if kind == "made" else set()
            said.append((entity, attribute, number))
        history.append(said)
    return history


def shown(read):
    return {row.id: row.on for row in read("box")}, {row.box for row in read("click")}


@given(histories(), st.lists(st.integers(0, 6), max_size=6), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_view_is_at_every_epoch_what_a_query_is_and_what_was_said_comes_to(history, moves, marked):
    expected = by_hand(history)
    with pytest.MonkeyPatch.context() as patch, rhizomedb.open(":memory:") as db:
        if marked:
            patch.setattr(timelines, "MARKS_MAX", 1)
        view = db.view(OVER_LOG)
        for epoch, said in enumerate(history, start=1):
            db.transact([Fact(*each) for each in said])
            assert shown(view.relation) == expected[epoch]
        for epoch, wanted in enumerate(expected):
            then = db.at_epoch(epoch)
            assert shown(lambda name, then=then: then.query(OVER_LOG, relation=name)) == wanted
        for move in moves:
            epoch = move % len(expected)
            assert shown(view.rewind(epoch).relation) == expected[epoch]


@given(histories())
@settings(max_examples=30, deadline=None)
def test_epochs_that_brought_nothing_of_what_is_read_take_no_step(history):
    with rhizomedb.open(":memory:") as db, pytest.MonkeyPatch.context() as patch:
        for said in history:
            db.transact([Fact(*each) for each in said])
        everything = [set(db.query(OVER_LOG, relation=name)) for name in ("box", "click", "made")]
        patch.setattr(timelines, "_attributes_read", lambda program: None)
        assert [set(db.query(OVER_LOG, relation=name)) for name in ("box", "click", "made")] == everything


@given(histories(), st.sampled_from([OVER_LOG, OVER_LOG + "n(n: N) :- N := count : arrives()."]))
@settings(max_examples=40, deadline=None)
def test_what_came_is_the_same_from_the_log_and_from_the_index(history, text):
    with rhizomedb.open(":memory:") as db, pytest.MonkeyPatch.context() as patch:
        for number, said in enumerate(history):
            db.transact([Fact(*each) for each in said], author="ann" if number % 3 else "ben")
        readers = [db, *(db.at_epoch(n) for n in range(len(history) + 1)), *(db.by(name) for name in db.authors())]
        names = ["box", "click", *(["n"] if "count" in text else [])]
        answers = []
        for most in (0, 1 << 30):
            patch.setattr(timelines, "DELTAS_MAX", most)
            answers.append([set(reader.query(text, relation=name)) for reader in readers for name in names])
        assert answers[0] == answers[1]


@pytest.mark.parametrize("most", [0, 1 << 30])
def test_a_file_tells_the_same_when_it_is_opened_again(most, tmp_path, monkeypatch):
    monkeypatch.setattr(timelines, "DELTAS_MAX", most)
    history = [
        [(b"a", "box/made", 1)],
        [(b"a", "click", n) for n in range(2)],
        [(b"b", "box/made", 1), (b"a", "click", 9)],
        [(b"c", "x", 1)],
    ]
    for said in history:
        with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
            db.transact([Fact(*each) for each in said])
    expected = by_hand(history)
    with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
        view = db.view(OVER_LOG)
        for epoch in (4, 2, 0, 3, 1):
            then = db.at_epoch(epoch)
            assert shown(lambda name, then=then: then.query(OVER_LOG, relation=name)) == expected[epoch]
            assert shown(view.rewind(epoch).relation) == expected[epoch]


def test_a_watch_is_told_epoch_by_epoch_and_what_passes_goes_again():
    with rhizomedb.open(":memory:") as db:
        db.transact([Fact(b"a", "box/made", 1)])
        view = db.view(OVER_LOG)
        told = defaultdict(list)
        view.sink(
            ["box", "click"],
            lambda change: told[change.epoch].append(
                {n: (set(change[n].plus), set(change[n].minus)) for n in change.relations}
            ),
        )
        db.transact([Fact(b"a", "click", 1)])
        db.transact([Fact(b"a", "other", 1)])
        on, off = (b"a", True), (b"a", False)
        assert told == {
            2: [{"box": ({on}, {off}), "click": ({(b"a",)}, set())}],
            3: [{"click": (set(), {(b"a",)})}],
        }


def test_an_attribute_that_no_fact_has_is_noticed():
    with rhizomedb.open(":memory:") as db:
        db.transact([Fact(b"a", "click", 1)])
        assert db.query('p(x: E) :- arrives(entity: E, attribute: "clik").').notices == (
            "no fact here has the attribute clik; did you mean click?",
        )


def test_the_same_fact_said_again_arrives_again():
    """Content addressing makes one fact of two equal clicks; two deltas are two events all the same (trap T1)."""
    with rhizomedb.open(":memory:") as db:
        db.transact([Fact(b"a", "box/made", 1)])
        for author in ("ann", "ben"):
            db.transact([Fact(b"a", "click", 1)], author=author)
        assert [row.on for row in db.query(OVER_LOG)] == [False]
        db.transact([Fact(b"b", "box/made", 1)], author="ann")
        assert [(row.id, row.on) for row in db.by("ann").query(OVER_LOG)] == [(b"b", False)], (
            "what others said is no event"
        )


def test_stored_relations_are_those_of_the_epoch():
    """A rule reads what is known in each epoch; what is said later does not change what was carried on."""
    text = """
        asked(of: E) :- arrives(entity: E, attribute: "ask").
        told(of: E, value: V)@next :- asked(of: E), stands(entity: E, attribute: "price", value: V).
        told(of: E, value: V)@next :- told(of: E, value: V).
    """
    with rhizomedb.open(":memory:") as db:
        db.transact([("Ran", "price", 10)])
        ran = db.entity("Ran")
        db.transact([Fact(ran, "ask", 1)])
        db.transact([(ran, "price", 12)])
        assert [row.value for row in db.query(text)] == [10]
        db.transact([Fact(ran, "ask", 2)])
        assert [row.value for row in db.query(text)] == [10, 12]
        assert [row.value for row in db.at_epoch(3).query(text)] == [10]


def test_each_epoch_has_a_budget_and_a_view_that_exceeds_it_stays_where_it_is():
    with rhizomedb.open(":memory:") as db:
        db.transact([Fact(b"a", "box/made", 1)])
        view = db.view(OVER_LOG, budget=rhizomedb.Budget(facts=30, rounds=3))
        for number in range(9):
            db.transact([Fact(b"a", "click", number)])
        assert (view.epoch, view.error) == (10, None)
        assert db.query(OVER_LOG, budget=rhizomedb.Budget(facts=30, rounds=3)) == view.relation("box")
        db.transact([Fact(b"%d" % number, "box/made", 1) for number in range(40)])
        assert view.epoch == 10 and view.error is not None and view.error.code == "budget.facts"
        with pytest.raises(BudgetExceeded):
            view.relation("box")
        with pytest.raises(BudgetExceeded):
            db.query(OVER_LOG, budget=rhizomedb.Budget(rounds=1))
        assert [row.on for row in view.rewind(9).relation("box")] == [False]

"""Laws of hyperedges on random histories: the index agrees with the relations, negation with its definition, JSON with itself."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.db.graph.edge_source import LayeredEdges, NumberedEdges, ScannedEdges, edge_source
from rhizomedb.db.graph.negations import by_program, by_reading, by_walk, negated, negated_among
from rhizomedb.db.programs.query import evaluate
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import exact
from rhizomedb.hyper import Pointer, Reference, facts_of, hyperedge_of
from rhizomedb.hyper.json_delta import entity_of, id_of, of_hyperedge, read
from rhizomedb.hyper.negated import Negated
from rhizomedb.hyper.negation import EVERYBODY, NEGATED
from rhizomedb.store.admit import admit
from rhizomedb.store.open import open_store
from rhizomedb.store.overlay import OverlayStore
from rhizomedb.store.store import Cut

KEYS = [Key(bytes([number]) * 32) for number in range(3)]
THINGS = [b"a", b"b", b"c"]
EDGES = [b"e0", b"e1", b"e2", b"e3"]

names = st.sampled_from(["r", "q", "title", "negates"])
contexts = st.none() | st.sampled_from(["c", "title", "negated_by"])
references = st.builds(Reference, st.sampled_from(THINGS + EDGES), contexts)
pointers = st.builds(Pointer, names, references | st.sampled_from([1, 1.0, True, "1", ""]))


@st.composite
def deltas(draw):
    """Deltas of hyperedges, some of one edge, some with facts that belong to none, and some of no edge at all."""
    made = []
    for number in range(draw(st.integers(1, 7))):
        edge = draw(st.sampled_from(EDGES))
        said = facts_of(edge, draw(st.lists(pointers, max_size=4)), draw(st.none() | st.just("x")))
        if draw(
            st.booleans()
        ):  # what a stranger may do: other facts, out of order, without an edge or with another one
            more = [
                Fact(draw(st.sampled_from(THINGS + EDGES)), draw(names), draw(st.sampled_from([edge, b"a", 1])))
                for _ in range(draw(st.integers(0, 2)))
            ]
            said = draw(st.permutations(list(dict.fromkeys([*said, *more]))))
        own = draw(st.sampled_from([edge, edge, edge, None, b"e0"]))
        key = draw(st.sampled_from(KEYS))
        made.append(Delta.sign(key, system="s", time=HybridTime(number // 2 + 1), facts=said, edge=own))
    return made


cuts = st.builds(
    lambda epoch, until, author: Cut(epoch, None, until, None if author is None else frozenset([author])),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 4),
    st.none() | st.sampled_from([key.public for key in KEYS]),
)


def parts(found):
    """What is comparable of hyperedges: exactly their pointers."""
    return sorted(
        (bytes(edge.delta), [pointer.key for pointer in edge.pointers], edge.claimed_author) for edge in found
    )


@settings(max_examples=150)
@given(deltas(), st.integers(0, 7), cuts)
def test_the_index_gives_what_the_relations_give(tmp_path_factory, made, first, cut):
    path = tmp_path_factory.mktemp("edges") / "a.db"
    with closing(open_store(str(path), create=True)) as store:
        for some in (made[:first], made[first:]):
            if some:
                admit(store, some, now_ms=10_000, origin="test")
        fast, slow = NumberedEdges(store, cut), ScannedEdges(store, cut)

        def same(ask):
            assert parts(fast.read(ask(fast))) == parts(slow.read(ask(slow)))

        same(lambda source: source.all())
        for thing in THINGS + EDGES:
            same(lambda source, thing=thing: source.at_targets([thing]))
            same(lambda source, thing=thing: source.of_edges([thing]))
            assert sorted(
                (context, *parts(fast.read([id]))) for context, id in dict.fromkeys(fast.under(thing))
            ) == sorted((context, *parts(slow.read([id]))) for context, id in dict.fromkeys(slow.under(thing)))
        for context in ("c", "title", "negated_by", "r"):
            same(lambda source, context=context: source.in_contexts([context]))
            same(lambda source, context=context: source.with_roles([context]))

        def at_edges(source):
            return sorted((of, *parts(source.read([name]))) for name, of in dict.fromkeys(source.negating(EDGES)))

        assert at_edges(fast) == at_edges(slow)
        assert parts(slow.read(slow.all())) == parts(
            hyperedge_of(delta) for delta in dict.fromkeys(made) if delta.id in slow.all()
        )


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=60)
@given(made=deltas(), first=st.integers(0, 7), cut=cuts)
def test_two_layers_give_what_the_relations_of_both_give(kind, tmp_path_factory, made, first, cut):
    path = ":memory:" if kind == "memory" else str(tmp_path_factory.mktemp("layers") / "a.db")
    with closing(open_store(path, create=True)) as store:
        if made[:first]:
            admit(store, made[:first], now_ms=10_000, origin="test")
        overlay = OverlayStore(store, Cut())
        if made[first:]:
            admit(overlay, made[first:], now_ms=10_000, origin="test")
        fast, slow = edge_source(overlay, cut), ScannedEdges(overlay, cut)
        assert isinstance(fast, LayeredEdges)
        for ask in (
            lambda source: source.all(),
            lambda source: source.at_targets(THINGS),
            lambda source: source.of_edges(EDGES[:2]),
            lambda source: source.in_contexts(["c", "title"]),
            lambda source: source.with_roles(["r", "negates"]),
            lambda source: {id for _, id in source.under(b"a")},
            lambda source: {id for id, _ in source.negating(EDGES)},
        ):
            assert parts(fast.read(ask(fast))) == parts(slow.read(ask(slow)))


@settings(max_examples=100)
@given(deltas(), st.integers(0, 7), cuts, st.integers(0, 3))
def test_what_came_is_what_was_not_there(tmp_path_factory, made, first, cut, epoch):
    path = tmp_path_factory.mktemp("came") / "a.db"
    with closing(open_store(str(path), create=True)) as store:
        for some in (made[:first], made[first:]):
            if some:
                admit(store, some, now_ms=10_000, origin="test")
        whole = Cut(epoch=cut.epoch)
        for kind in (NumberedEdges, ScannedEdges):
            before, after = kind(store, Cut(epoch=epoch)), kind(store, whole)
            came = after.came(before.reach)
            had = {bytes(edge.delta) for edge in before.read(before.all())}
            new = [edge for edge in after.read(after.all()) if bytes(edge.delta) not in had]
            assert parts(edge for _, edge in came) == parts(new)
            assert all(epoch < each for each, _ in came) and [each for each, _ in came] == sorted(
                each for each, _ in came
            )


@settings(max_examples=100)
@given(deltas(), cuts, st.none() | st.frozensets(st.sampled_from(KEYS)), st.frozensets(st.sampled_from(EDGES)))
def test_a_few_edges_are_asked_after_as_all_are(tmp_path_factory, made, cut, trusted, some):
    keys = None if trusted is None else frozenset(key.public for key in trusted)
    path = tmp_path_factory.mktemp("few") / "a.db"
    with closing(open_store(str(path), create=True)) as store:
        admit(store, made, now_ms=10_000, origin="test")
        expected = by_program(store, cut, keys) & some
        assert by_walk(store, cut, keys, some) & some == expected
        assert set(negated_among(store, cut, keys, some)) & some == expected
        known = {}  # one after the other, each from what those before have found
        assert {edge for edge in sorted(some) if edge in by_walk(store, cut, keys, [edge], known)} == expected
        assert by_reading(store, cut, keys) == {each for each in by_program(store, cut, keys) if type(each) is bytes}


# -- negation ----------------------------------------------------------------------------------------------------------

PROGRAM = "relation negation(by: int, of: int).\n" + EVERYBODY + NEGATED


def meaning(pairs):
    """What is negated and what is undecided, by taking back step by step what is certain: the definition."""
    by = {}
    for negation, target in pairs:
        by.setdefault(target, set()).add(negation)
    valid, out = set(), set()
    everybody = {each for pair in pairs for each in pair}
    while True:
        more_valid = {each for each in everybody if by.get(each, set()) <= out}
        more_out = {each for each in everybody if by.get(each, set()) & valid}
        if (more_valid, more_out) == (valid, out):
            return out, {negation for negation, _ in pairs} - valid - out
        valid, out = more_valid, more_out


negations = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14)


@settings(max_examples=300)
@given(negations)
def test_negation_is_its_definition(pairs):
    found = evaluate(PROGRAM, {"negation": list(pairs)})
    assert ({edge for (edge,) in found["negated"]}, {edge for (edge,) in found["undecided"]}) == meaning(pairs)


@settings(max_examples=60)
@given(st.lists(negations, min_size=1, max_size=4), st.data())
def test_negation_is_kept_up_to_date_forwards_and_back(batches, data):
    with connect(":memory:") as db:
        from rhizomedb.hyper.negation import BY_ANYBODY

        view = db.view(BY_ANYBODY, only=["negated", "undecided"])
        said, states = set(), [set()]
        for batch in batches:
            fresh = sorted(batch - said)
            said |= batch
            for by, of in fresh:
                edge, target = b"e%d" % by, b"e%d" % of
                facts = facts_of(edge, [Pointer("negates", Reference(target, "negated_by"))])
                delta = Delta.sign(KEYS[0], system="s", time=HybridTime(1), facts=facts, edge=edge)
                db.admit([delta.encode()], origin="test")
                states.append({*states[-1], (by, of)})
            out, open_ = meaning(said)
            assert {edge for (edge,) in view.relation("negated")} == {b"e%d" % each for each in out}
            assert {edge for (edge,) in view.relation("undecided")} == {b"e%d" % each for each in open_}
            assert negated(db._store, db.cut, None) == {b"e%d" % each for each in out}
        epoch = data.draw(st.integers(0, len(states) - 1))
        view.rewind(epoch)
        assert {edge for (edge,) in view.relation("negated")} == {b"e%d" % each for each in meaning(states[epoch])[0]}


# -- JSON --------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: not text.startswith("rhizome/")
)
primitives = (
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
targets = primitives | st.fixed_dictionaries({"id": texts}, optional={"context": texts, "more": primitives})
json_deltas = st.fixed_dictionaries(
    {
        "id": texts,
        "timestamp": st.integers(1, 2**40) | st.floats(0.5, 2**40),
        "author": texts,
        "system": texts,
        "pointers": st.lists(
            st.fixed_dictionaries({"role": texts, "target": targets}, optional={"note": primitives}), max_size=5
        ),
    },
    optional={"further": primitives | st.lists(primitives, max_size=2)},
)


@settings(max_examples=300)
@given(json_deltas)
def test_a_json_delta_comes_back_as_it_was(node):
    node = json.loads(json.dumps(node))
    said = read(node)
    facts = facts_of(said.edge, said.pointers, said.author, said.json)
    delta = Delta.sign(KEYS[0], system=said.system, time=said.time, facts=facts, edge=said.edge)
    assert of_hyperedge(hyperedge_of(Delta.decode(delta.encode())), "?") == node


@given(st.binary(min_size=1, max_size=20) | texts.map(str.encode) | st.just(b"rhizome:0x00"))
def test_an_entity_comes_back_from_its_id(entity):
    assert entity_of(id_of(entity)) == entity


@given(st.recursive(st.none() | primitives, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)))
def test_whatever_is_read_is_a_delta_or_refused(node):
    from rhizomedb.errors import DeltaRefused

    try:
        read(node)
    except DeltaRefused as error:
        assert error.code == "hyper.json"


@given(st.lists(pointers, max_size=6))
def test_pointers_come_back_once_each(some):
    delta = Delta.sign(KEYS[0], system="s", time=HybridTime(1), facts=facts_of(b"edge", some), edge=b"edge")
    found = [pointer.key for pointer in hyperedge_of(delta).pointers]
    assert len(set(found)) == len(found)
    bare = {
        replace(each, target=replace(each.target, context=None)) for each in some if isinstance(each.target, Reference)
    }
    assert set(found) <= {each.key for each in some} <= set(found) | {each.key for each in bare}


def test_exact_values_stay_apart():
    edge = hyperedge_of(
        Delta.sign(
            KEYS[0], system="s", time=HybridTime(1), edge=b"e",
            facts=facts_of(b"e", [Pointer("r", 1), Pointer("r", 1.0), Pointer("r", True)]),
        )
    )  # fmt: skip
    assert [exact(pointer.target) for pointer in edge.pointers] == [exact(1), exact(1.0), exact(True)]


@settings(max_examples=150)
@given(deltas(), st.none() | st.frozensets(st.sampled_from(KEYS)), st.data())
def test_what_is_taken_back_is_followed_in_every_order(said, trusted, data):
    keys = None if trusted is None else frozenset(key.public for key in trusted)
    with closing(open_store(":memory:")) as store:
        admit(store, (delta.encode() for delta in said), now_ms=1_000, origin="test")
        source = ScannedEdges(store, Cut())
        edges = source.read(source.all())
        authors = {edge: {each.author for each in source.read(source.of_edges([edge]))} for edge in EDGES}
        followed, order = Negated(keys), data.draw(st.permutations(edges))
        while order:
            size = data.draw(st.integers(1, len(order)))
            before = set(followed.edges)
            assert followed.add(order[:size], lambda edge: authors.get(edge, ())) == before ^ followed.edges
            order = order[size:]
        assert followed.edges == {edge for edge in by_program(store, Cut(), keys) if type(edge) is bytes}
        assert followed.add(edges, lambda edge: authors.get(edge, ())) == set()


@settings(max_examples=100)
@given(deltas(), st.none() | st.frozensets(st.sampled_from(KEYS)))
def test_authors_may_come_after_what_they_took_back(said, trusted):
    keys = None if trusted is None else frozenset(key.public for key in trusted)
    with closing(open_store(":memory:")) as store:
        followed, source = Negated(keys), ScannedEdges(store, Cut())
        for delta in said:
            admit(store, [delta.encode()], now_ms=1_000, origin="test")
            edge = hyperedge_of(delta)
            if edge is not None:
                followed.add([edge], lambda edge: {each.author for each in source.read(source.of_edges([edge]))})
            assert followed.edges == {edge for edge in by_program(store, Cut(), keys) if type(edge) is bytes}


def test_a_negation_of_many_is_read_once(tmp_path, monkeypatch):
    pointers = [Pointer("negates", Reference(b"t%d" % n, "negated_by")) for n in range(20)]
    read = []
    real = NumberedEdges.read
    monkeypatch.setattr(NumberedEdges, "read", lambda source, ids: real(source, read.extend(some := list(ids)) or some))
    with connect(tmp_path / "a.db") as db:
        for _ in range(3):
            db.relate(*pointers)
        assert len(db.negated_edges()) == 20
        assert len(read) <= 3
        read.clear()
        assert len(by_walk(db._store, db.cut, None, [b"t%d" % n for n in range(20)])) == 20
        assert len(read) == 3

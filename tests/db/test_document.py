"""Documents: a table of what is written and read, laws against plain dicts and among copies, and what is refused."""

from __future__ import annotations

import copy
import operator
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.crdt.document import KIND, NULL, element, elements
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.types import document_reading
from rhizomedb.db.types.document import DEPTH_MAX, Document, DocumentList
from rhizomedb.db.types.document_reading import LEVELS_MAX, Nodes
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import mint
from rhizomedb.facts.fact import Fact

ROOT = bytes(range(16))

LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=["memory", "file"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    with connect(":memory:" if request.param == "memory" else str(tmp_path / "d.db")) as db:
        yield db


NESTED: dict[str, Any] = {
    "title": "Heat",
    "year": 1995,
    "rating": 8.3,
    "seen": True,
    "notes": None,
    "tags": ["crime", 1, 1.0, None, True, [], {}],
    "cast": [{"name": "Al Pacino", "roles": [["Vincent", "Hanna"]]}, {"name": "Robert De Niro"}],
    "empty": {},
    "raw": b"\x00" * 16,
    "deep": {"a": {"b": {"c": [[[1]]]}}},
}

# What a program does to a document, and to a plain one
EDITS: dict[str, Callable[[Any], object]] = {
    "a key": lambda d: d.update(title="Ronin"),
    "two keys": lambda d: d.update({"title": "Ronin", "new": [1]}),
    "over a map": lambda d: d.__setitem__("deep", 3),
    "a map over a value": lambda d: d.__setitem__("year", {"from": 1, "to": 2}),
    "nothing": lambda d: d.__setitem__("year", None),
    "a key away": lambda d: d.__delitem__("title"),
    "a map away": lambda d: d.__delitem__("deep"),
    "below": lambda d: d["deep"]["a"].__setitem__("x", [1, {"y": 2}]),
    "below a list": lambda d: d["cast"][1].__setitem__("roles", ["Neil"]),
    "an element": lambda d: d["tags"].__setitem__(0, "drama"),
    "the last element": lambda d: d["tags"].__setitem__(-1, {"k": "v"}),
    "put at the beginning": lambda d: d["tags"].insert(0, "first"),
    "put in between": lambda d: d["tags"].insert(2, ["in", "between"]),
    "put before the last": lambda d: d["tags"].insert(-1, "late"),
    "put far behind": lambda d: d["tags"].insert(99, "end"),
    "put far before": lambda d: d["tags"].insert(-99, "begin"),
    "at the end": lambda d: d["cast"].append({"name": "Val Kilmer"}),
    "several": lambda d: d["tags"].extend(["a", {"b": "c"}, ["d"]]),
    "no more": lambda d: d["tags"].extend([]),
    "an element away": lambda d: d["tags"].__delitem__(1),
    "some away": lambda d: d["tags"].__delitem__(slice(1, 4)),
    "all away": lambda d: d["tags"].clear(),
    "all away and some again": lambda d: (d["tags"].clear(), d["tags"].extend([1, 2])),
    "taken": lambda d: (d["tags"].pop(0), d.pop("year")),
    "more by +=": lambda d: d.__setitem__("tags", operator.iadd(d["tags"], ["more"])),
    "turned around": lambda d: d["tags"].reverse(),
    "one away by its value": lambda d: d["tags"].remove("crime"),
    "every key away": lambda d: d.clear(),
    "every key away below": lambda d: d["deep"]["a"].clear(),
    "with a default": lambda d: (d.setdefault("year", 1), d.setdefault("month", 12)),
    "turned": lambda d: d["cast"].insert(0, copy.deepcopy(plain(d["cast"].pop()))),
}  # fmt: skip


def plain(found: Any) -> Any:
    return found.plain() if isinstance(found, Document | DocumentList) else found


def exactly(found: Any) -> str:
    """With kinds: 1, 1.0 and True are three."""
    if isinstance(found, dict):
        return f"{{{', '.join(sorted(f'{key!r}: {exactly(value)}' for key, value in found.items()))}}}"
    return f"[{', '.join(map(exactly, found))}]" if isinstance(found, list) else repr(found)


def filled(db: Connection) -> Document:
    doc = db.doc(ROOT)
    doc.update(NESTED)
    return doc


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
def test_an_edit_does_what_it_does_to_plain_data(db: Connection, edit: Callable[[Any], object]) -> None:
    expected, doc = copy.deepcopy(NESTED), filled(db)
    assert exactly(doc.plain()) == exactly(expected) and doc == expected
    edit(expected), edit(doc)
    assert exactly(doc.plain()) == exactly(expected)
    assert sorted(doc) == sorted(expected) and len(doc) == len(expected)
    assert doc.conflicts() == {}
    assert exactly(db.at_epoch(1).doc(ROOT).plain()) == exactly(NESTED), "what was is still there"


WHOLE = ["all away", "turned around", "every key away", "several", "two keys"]


@pytest.mark.parametrize("edit", [EDITS[name] for name in WHOLE], ids=WHOLE)
def test_a_call_says_all_of_it_together(db: Connection, edit: Callable[[Any], object]) -> None:
    doc = filled(db)
    before = db.cut.epoch
    edit(doc)
    assert db.cut.epoch == before + 1


def test_every_key_away_leaves_what_is_no_key(db: Connection) -> None:
    doc, text = filled(db), db.text(ROOT)
    text.append("beside it")
    doc.clear()
    assert doc.plain() == {} and str(text) == "beside it"
    assert {each.fate for each in db.history(ROOT) if each.attribute == "text/insert"} == {"stands"}
    doc.clear(), doc.setdefault("tags", []).clear(), doc["tags"].reverse()
    assert doc.plain() == {"tags": []}


def test_what_stands_under_the_keys_is_read_together(db: Connection) -> None:
    doc = filled(db)
    assert dict(doc.items()) == dict(zip(doc, doc.values(), strict=True)) == NESTED
    assert isinstance(dict(doc)["cast"], DocumentList)


def test_a_loop_over_places_reads_a_node_once_and_again_when_something_was_said(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc, some, reads = filled(db), Nodes.some, list[dict[bytes, str]]()
    monkeypatch.setattr(Nodes, "some", lambda nodes, kinds: (reads.append(kinds), some(nodes, kinds))[1])
    tags = doc["tags"]
    assert [plain(doc["tags", place]) for place in range(len(tags))] == NESTED["tags"]
    assert sum(tags.entity in each for each in reads) == 1, "by any handle that is of this document"
    db.doc(ROOT)["tags"].append("new")
    assert tags[-1] == doc["tags", -1] == "new" and len(tags) == len(NESTED["tags"]) + 1


def test_what_stood_before_is_written_again(db: Connection) -> None:
    """A node of another moment is the same entity, and is copied all the same."""
    doc = filled(db)
    then = db.at_epoch(1).doc(ROOT)
    doc["cast"].clear()
    doc["cast"] = then["cast"]
    assert doc.plain() == NESTED
    doc["cast", 1, "name"] = "Bob"
    doc["cast", 1] = then["cast", 1]
    assert doc.plain() == NESTED


READ: dict[str, tuple[Any, Any]] = {
    "a value": ("title", "Heat"),
    "nothing": ("notes", None),
    "a way": (("cast", 0, "roles", 0, 1), "Hanna"),
    "a way to a list": (("deep", "a", "b", "c"), [[[1]]]),
    "a way from the end": (("cast", -1, "name"), "Robert De Niro"),
}


@pytest.mark.parametrize(("key", "expected"), READ.values(), ids=list(READ))
def test_a_way_is_read(db: Connection, key: Any, expected: Any) -> None:
    doc = filled(db)
    assert plain(doc[key]) == expected and key in doc
    doc.__setitem__(key if isinstance(key, tuple) else (key,), "other")
    assert doc[key] == "other"


REFUSED: dict[str, tuple[Callable[[Document], object], str, str]] = {
    "no such key": (lambda d: d["titel"], "crdt.place", "title"),
    "no such key below": (lambda d: d["cast", 0, "nam"], "crdt.place", "cast[0] has no 'nam'"),
    "no such element": (lambda d: d["cast"][2], "crdt.place", "2 elements"),
    "no second element": (lambda d: d["deep", "a", "b", "c"][1], "crdt.place", "it has 1 element "),
    "no number": (lambda d: d["cast"]["a"], "crdt.place", "no element 'a'"),
    "below a value": (lambda d: d["title", "x"], "crdt.place", "title is a value"),
    "written below a value": (lambda d: d.__setitem__(("title", "x"), 1), "crdt.place", "title is a value"),
    "written below what is not there": (lambda d: d.__setitem__(("crew", "x"), 1), "crdt.place", "within: doc[key] = {...}"),
    "written by a slice": (lambda d: d["cast"].__setitem__(slice(0, 1), [1]), "crdt.place", "not by slices"),
    "no way": (lambda d: d.__setitem__((), 1), "crdt.place", "a key or more"),
    "a key that is none": (lambda d: d.__delitem__("titel"), "crdt.place", "title"),
    "an operation": (lambda d: d.update({"set/add": 1}), "crdt.key", "set/add"),
    "one of ours": (lambda d: d.update({"x": {"rhizome/document": "map"}}), "db.reserved", "rhizome/document"),
    "a value of no kind": (lambda d: d.update(x=[1, {2, 3}]), "facts.value-type", "set"),
    "too deep": (lambda d: d.update(x=deep(DEPTH_MAX + 1)), "crdt.deep", "100 deep"),
    "no text": (lambda d: d.text("title"), "crdt.kind", "title is no text"),
    "another moment": (lambda d: d._db.at_epoch(1).doc(ROOT).update(x=1), "crdt.past", "another moment"),
    "deleted at another moment": (lambda d: d._db.at_epoch(1).doc(ROOT).pop("title"), "crdt.past", "another moment"),
    "a text of another moment": (lambda d: d._db.at_epoch(1).doc(ROOT).text("new"), "crdt.past", "another moment"),
}  # fmt: skip


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(("ask", "code", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused(db: Connection, ask: Callable[[Document], object], code: str, said: str) -> None:
    doc = filled(db)
    before = db.cut.epoch
    with pytest.raises(Error) as refused:
        ask(doc)
    assert refused.value.code == code and said in f"{refused.value} "
    assert exactly(doc.plain()) == exactly(NESTED) and db.cut.epoch == before, "nothing was said"


def test_an_imported_row_is_a_document(db: Connection) -> None:
    db.transact([("Heat", "runtime", 170)])
    doc = db.doc("Heat")
    doc["cast"] = ["Al Pacino"]
    assert doc.plain() == {"name": "Heat", "runtime": 170, "cast": ["Al Pacino"]}
    doc["runtime"] = 171
    assert db.get("Heat")["runtime"] == 171, "its keys are the registers that everybody knows"


def test_a_text_within_is_edited_by_positions(db: Connection) -> None:
    doc = filled(db)
    text = doc.text("plot")
    text.append("Cops")
    doc.text("plot").insert(4, " and robbers")
    assert doc["plot"] == str(text) == "Cops and robbers" == doc.plain()["plot"]


def test_the_deepest_that_is_written_is_read(db: Connection) -> None:
    doc = db.doc(ROOT)
    doc["x"] = deep(DEPTH_MAX - 1)
    assert doc.plain()["x"] == deep(DEPTH_MAX - 1)


# -- several people ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copies() -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connect(":memory:", author=name)) for name in ("ada", "ben", "cleo")]


def meet(*copies: Connection) -> None:
    for one in copies:
        for other in copies:
            if one is not other:
                one.admit([delta.encode() for delta in other.deltas()], origin="meeting")


# What two people do at the same time, and what comes of it
TOGETHER: dict[str, tuple[Callable[[Any], object], Callable[[Any], object], Callable[[Any], bool]]] = {
    "other keys": (lambda d: d.update(a=1), lambda d: d.update(b=2), lambda p: (p["a"], p["b"]) == (1, 2)),
    "one key away, another written": (lambda d: d.pop("year"), lambda d: d.update(title="x"), lambda p: "year" not in p and p["title"] == "x"),
    "one key away and written": (lambda d: d.pop("year"), lambda d: d.update(year=1996), lambda p: p["year"] == 1996),
    "both at the end": (lambda d: d["cast"].append("a"), lambda d: d["cast"].append("b"), lambda p: sorted(p["cast"][2:]) == ["a", "b"]),
    "several each, not mixed": (lambda d: d["tags"].extend(["a", "b"]), lambda d: d["tags"].extend(["x", "y"]),
                                lambda p: p["tags"][7:] in (["a", "b", "x", "y"], ["x", "y", "a", "b"])),
    "put before what goes": (lambda d: d["tags"].insert(1, "new"), lambda d: d["tags"].clear(), lambda p: p["tags"] == ["new"]),
    "both take one away": (lambda d: d["tags"].pop(0), lambda d: d["tags"].pop(0), lambda p: len(p["tags"]) == 6),
    "an element away and written below": (lambda d: d["cast"].pop(0), lambda d: d["cast"][0].update(name="x"),
                                          lambda p: p["cast"] == [{"name": "Robert De Niro"}]),
    "more by += and more": (lambda d: d.__setitem__("tags", operator.iadd(d["tags"], ["a"])), lambda d: d["tags"].append("b"),
                            lambda p: sorted(p["tags"][7:]) == ["a", "b"]),
    "a map to where it is, and below": (lambda d: d["cast"].__setitem__(0, d["cast"][0]), lambda d: d["cast"][0].update(name="x"),
                                        lambda p: p["cast"][0]["name"] == "x"),
    "below a map that is written over": (lambda d: d.update(deep=1), lambda d: d["deep"].update(z=1), lambda p: p["deep"] == 1),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "right"), TOGETHER.values(), ids=list(TOGETHER))
def test_what_two_people_do_at_once(
    copies: list[Connection], one: Callable[[Any], object], other: Callable[[Any], object], right: Callable[[Any], bool]
) -> None:
    filled(copies[0])
    meet(*copies)
    one(copies[0].doc(ROOT)), other(copies[1].doc(ROOT))
    meet(*copies)
    found = [copy.doc(ROOT).plain() for copy in copies]
    assert found[0] == found[1] == found[2] and right(found[0])


def test_a_text_that_two_people_begin_apart_is_one(copies: list[Connection]) -> None:
    for each, said in zip(copies, ("Ada ", "Ben ", "Cleo "), strict=True):
        each.doc(ROOT).text("body").append(said)
    meet(*copies)
    found = [each.doc(ROOT) for each in copies]
    assert found[0]["body"] == found[1]["body"] == found[2]["body"]
    assert sorted(found[0]["body"].split()) == ["Ada", "Ben", "Cleo"] and found[0].conflicts() == {}
    del found[0]["body"]
    found[0].text("body").append("anew")
    meet(*copies)
    assert [each["body"] for each in found] == ["anew"] * 3
    assert found[0].text(" body ").entity != found[0].text("body").entity


def test_what_differs_is_listed_by_its_way(copies: list[Connection]) -> None:
    filled(copies[0])
    meet(*copies)
    copies[0].doc(ROOT)["cast", 0, "name"] = "Al"
    copies[1].doc(ROOT)["cast", 0, "name"] = "Alfredo"
    meet(*copies)
    for each in copies:
        assert each.doc(ROOT).conflicts() == {("cast", 0, "name"): ("Al", "Alfredo")}
    copies[2].doc(ROOT)["cast", 0, "name"] = "Al Pacino"
    meet(*copies)
    assert copies[0].doc(ROOT).conflicts() == {} and copies[1].doc(ROOT) == NESTED


def test_what_was_read_stays_the_node_that_it_was(copies: list[Connection]) -> None:
    one, other = (copies[0].doc(ROOT) for _ in range(2))
    one["cast"] = [1]
    cast = one["cast"]
    other["cast"] = [2]
    cast.append(3)
    assert cast == [1, 3] and one["cast"] == [2], "as the page on data types says"


def test_what_differs_is_listed_as_plain_data(copies: list[Connection]) -> None:
    """Of two lists that were made in one place at the same time one is shown; nothing of the other is lost."""
    made: list[Any] = [["a", {"b": None}], {"c": 1}, None]
    for each, value in zip(copies, made, strict=True):
        each.doc(ROOT)["todo"] = value
    meet(*copies)
    for each in copies:
        (found,) = each.doc(ROOT).conflicts().values()
        assert sorted(map(exactly, found)) == sorted(map(exactly, made))
    shown = copies[0].doc(ROOT)["todo"]
    copies[0].doc(ROOT)["todo"] = shown
    meet(*copies)
    assert copies[1].doc(ROOT).conflicts() == {} and copies[1].doc(ROOT)["todo"] == plain(shown)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "a", "", b"x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def places(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, found
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, each in pairs:
        yield from places(each, (*path, key))


def edit_at_random(chance: random.Random, value: Any, at: Any, path: tuple[Any, ...], is_list: bool) -> None:
    """One edit of a node, the same for a document and for plain data."""
    for key in path:
        at = at[key]
    size = len(at)
    if is_list:
        match chance.randrange(4):
            case 0:
                at.insert(chance.randint(-2, size + 1), value)
            case 1:
                at.extend([value, 1])
            case 2 if size:
                del at[chance.randrange(size)]
            case _ if size:
                at[chance.randrange(size)] = value
    elif chance.random() < 0.3 and size:
        del at[chance.choice(sorted(at))]
    else:
        at[chance.choice("abc")] = value


@given(st.lists(st.tuples(VALUES, st.integers(0, 2**32)), max_size=8))
@LAWS
def test_a_document_is_the_plain_data(edits: list[tuple[Any, int]]) -> None:
    with connect(":memory:") as db:
        doc, expected = db.doc(ROOT), dict[str, Any]()
        for value, seed in edits:
            nodes = [(path, isinstance(at, list)) for path, at in places(expected) if isinstance(at, dict | list)]
            path, is_list = random.Random(seed).choice(nodes)
            edit_at_random(random.Random(seed), copy.deepcopy(value), expected, path, is_list)
            edit_at_random(random.Random(seed), value, doc, path, is_list)
            assert exactly(doc.plain()) == exactly(expected)


@given(st.lists(st.tuples(st.integers(0, 2), VALUES, st.integers(0, 2**32), st.booleans()), max_size=10), st.randoms())
@LAWS
def test_copies_that_met_agree(edits: list[tuple[int, Any, int, bool]], chance: random.Random) -> None:
    """Whoever wrote what, in whatever order the deltas come, and however often."""
    with ExitStack() as stack:
        copies = [stack.enter_context(connect(":memory:", author=name)) for name in ("ada", "ben", "cleo")]
        for who, value, seed, is_meeting in edits:
            doc = copies[who].doc(ROOT)
            nodes = [(path, isinstance(at, list)) for path, at in places(doc.plain()) if isinstance(at, dict | list)]
            path, is_list = random.Random(seed).choice(nodes)
            edit_at_random(random.Random(seed), value, doc, path, is_list)
            if is_meeting:
                meet(copies[who], copies[(who + 1) % 3])
        meet(*copies)
        late = stack.enter_context(connect(":memory:"))
        deltas = [delta for each in copies for delta in each.deltas()]
        chance.shuffle(deltas)
        for delta in deltas:
            late.admit([delta.encode()], origin="meeting")
        found = [(exactly(each.doc(ROOT).plain()), each.doc(ROOT).conflicts()) for each in (*copies, late)]
        assert all(each == found[0] for each in found)


# -- who means ill ----------------------------------------------------------------------------------------------------


def test_a_document_that_holds_itself_is_said_to(db: Connection) -> None:
    one, other = mint(b"1" * 16), mint(b"2" * 16)
    db.transact(
        [Fact(one, KIND, "map"), Fact(other, KIND, "map"), (ROOT, "a", one), (one, "b", other), (other, "c", one)]
    )
    with pytest.raises(Error) as refused:
        db.doc(ROOT).plain()
    assert refused.value.code == "crdt.cycle" and "a.b.c is a" in str(refused.value)
    del db.doc(ROOT)["a", "b", "c"]
    assert db.doc(ROOT).plain() == {"a": {"b": {}}}


def test_a_message_tells_a_part_of_a_long_way(db: Connection) -> None:
    one = mint(b"1" * 16)
    db.transact([Fact(one, KIND, "map"), (ROOT, "x" * 60_000, one), (one, "y" * 60_000, one)])
    with pytest.raises(Error) as refused:
        db.doc(ROOT).plain()
    assert refused.value.code == "crdt.cycle" and len(str(refused.value)) < 2_000


def chain(db: Connection, count: int, *keys: str) -> list[bytes]:
    """Nodes, each under some keys of the one before it."""
    nodes = [mint(number.to_bytes(16, "big")) for number in range(count)]
    db.transact([Fact(node, KIND, "map") for node in nodes])
    db.transact([(above, key, node) for above, node in pairwise(nodes) for key in keys])
    return nodes


def test_a_document_nested_without_end_is_not_read_to_its_end(db: Connection) -> None:
    nodes = chain(db, LEVELS_MAX + 1, "a")
    for ask in (Document.plain, Document.conflicts):
        with pytest.raises(Error) as refused:
            ask(db.doc(nodes[0]))
        assert refused.value.code == "crdt.deep" and refused.value.fix
    assert "crdt.deep" in repr(db.doc(nodes[0]))
    deepest: Any = db.doc(nodes[1]).plain()
    for _ in range(LEVELS_MAX - 1):
        deepest = deepest["a"]
    assert deepest == {}
    # near its beginning by another way, and deep all the same
    db.transact([(nodes[0], f"k{number}", node) for number, node in enumerate(nodes)][2:])
    with pytest.raises(Error, match="deep"):
        db.doc(nodes[0]).plain()


def test_a_node_that_stands_everywhere_is_not_written_out(db: Connection) -> None:
    """Thirty nodes, each twice in the one before: 2**30 places for whoever prints, compares or copies them."""
    nodes = chain(db, 30, "a", "b")
    db.transact([(nodes[-1], "a", 1)])
    doc = db.doc(nodes[0])
    for ask in (doc.plain, lambda: doc == {}, lambda: db.doc(ROOT).update(copy=doc)):
        with pytest.raises(Error) as refused:
            ask()
        assert refused.value.code == "crdt.shared" and refused.value.fix
    assert "crdt.shared" in repr(doc) and not doc.conflicts()
    assert db.doc(nodes[-2]).plain() == {"a": {"a": 1}, "b": {"a": 1}}


def test_two_kinds_of_one_node_are_one_for_all(db: Connection) -> None:
    node = mint(b"1" * 16)
    db.transact([Fact(node, KIND, "text"), Fact(node, KIND, "map"), Fact(node, KIND, "nonsense"), Fact(node, KIND, 7)])
    db.transact([(ROOT, "a", node), (node, "k", 1), (ROOT, "b", NULL), (ROOT, "c", mint(b"9" * 16))])
    assert db.doc(ROOT).plain() == {"a": {"k": 1}, "b": None, "c": b"9" * 16}


def test_an_element_without_its_value_waits(db: Connection) -> None:
    node, run = mint(b"1" * 16), Fact(mint(b"1" * 16), "text/insert", "0.1.AAAAAAAA:abc")
    db.transact([Fact(node, KIND, "list"), (ROOT, "a", node), run, (element(run.cid, 1), "value", "there")])
    doc = db.doc(ROOT)
    assert doc.plain() == {"a": ["there"]} and len(doc["a"]) == 1
    doc["a"].insert(0, "before")
    doc["a"].append("after")
    assert doc.plain() == {"a": ["before", "there", "after"]}
    del doc["a"][1]
    assert doc.plain() == {"a": ["before", "after"]}


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 16])
def test_lists_are_read_in_pieces(db: Connection, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(document_reading, "PIECE", piece)
    value = [[1, 2, 3], [], ["a", ["b", "c"], "d"], [[[4]]]]
    doc = db.doc(ROOT)
    doc["x"] = value
    run = Fact(doc["x", 0].entity, "text/insert", "0.9.AAAAAAAA:nobody")
    db.transact([run, (element(run.cid, 4), "value", "somebody")])
    del doc["x", 2, 0]
    assert doc.plain() == {"x": [["somebody", 1, 2, 3], [], [["b", "c"], "d"], [[[4]]]]}


@given(st.lists(st.tuples(st.binary(max_size=3).map(Cid.of), st.integers(0, 2**32)), max_size=5))
def test_elements_have_one_name_however_many_are_asked_for(places: list[tuple[Cid, int]]) -> None:
    assert elements(places) == [element(*place) for place in places]


def test_a_node_in_two_places_is_in_both(db: Connection) -> None:
    doc = db.doc(ROOT)
    doc["a"] = {"x": 1}
    db.transact([(ROOT, "b", doc["a"].entity)])
    doc["b", "x"] = 2
    assert doc.plain() == {"a": {"x": 2}, "b": {"x": 2}}

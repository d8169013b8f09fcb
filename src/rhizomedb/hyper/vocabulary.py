"""Vocabulary: that two attributes mean the same, or two things are one, as people say it.

Both are hyperedges at the thing `vocabulary`, so they have authors and times, and are taken back like anything:

    (vocabulary: → vocabulary · alias, attribute: "title", attribute: "name")       two names for one attribute
    (vocabulary: → vocabulary · same-as, thing: → a, thing: → b)                      two ids for one thing

What several statements tie together is one class, whoever said which of them: a closure, which `CLASSES` derives. Nothing
is rewritten by it. A `Vocabulary` is the classes at one moment; it is applied by who reads with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, TypeVar, final

from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity, Value
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference
from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import Atom, Constant, Program, Rule, show_value

VOCABULARY: Final = b"vocabulary"
"""The thing at which everything of this kind is said."""

ROLE: Final = "vocabulary"
"""The role by which it points there."""

ALIAS, SAME = "alias", "same-as"
"""The contexts: attributes that mean the same, things that are one."""

ATTRIBUTE, THING = "attribute", "thing"
"""The roles of what is said to be the same."""

MEMBERS_MAX: Final = 1_000
"""How many names or things one statement may tie together."""

NAMES_MAX: Final = 3_500
"""How many names that mean the same as others a program may take: it has a rule for each, and a limit of them."""

NOTHING: Final = "rhizome/nothing"
"""A name that nothing has, where a relation would have no tuple: a program needs one of each that it reads."""

AWAY, BELIEVED, CLASS = "away", "believed", "class"
"""Relations of the program: what was taken back, whose word counts, and the answer."""

_CLASSES: Final = """\
relation away(edge: bytes).
// what one statement ties together
member(by: E, is: X, under: {context}) :-
    C := fact(entity: {vocabulary}, attribute: {context}, value: E), asserts(delta: D, fact: C),
    delta(id: D, edge: E{author}), !away(edge: E){believed},
    G := fact(entity: E, attribute: {role}, value: X), asserts(delta: D, fact: G).
"""

_CLOSED: Final = """\
// steps go from a statement to what it ties together, and back; what they reach is one class
step(a: E, b: X) :- member(by: E, is: X).
step(a: X, b: E) :- member(by: E, is: X).
same(a: X, b: Y) :- step(a: X, b: Y).
same(a: X, b: Z) :- same(a: X, b: Y), step(a: Y, b: Z).
label(of: X, is: M) :- same(a: X), M := min Y : same(a: X, b: Y).
class(of: X, is: M) :- member(is: X), label(of: X, is: M).
"""


_AT: Final = {context: Reference(VOCABULARY, context) for context in (ALIAS, SAME)}


def classes(context: str, is_trusting: bool) -> str:
    """The PomoLogic program of one kind of classes: `class(of, is)` has for each member a label, the same in one class.

    What is `away` was taken back; if not `is_trusting`, what those say counts who are `believed`.
    """
    author, believed, declared = ("", "", "")
    if not is_trusting:
        author, believed, declared = ", author: A", ", believed(author: A)", "relation believed(author: bytes).\n"
    said = _CLASSES.format(
        context=show_value(context),
        vocabulary=show_value(VOCABULARY),
        role=show_value(ATTRIBUTE if context == ALIAS else THING),
        author=author,
        believed=believed,
    )
    return declared + said + _CLOSED


def alias(names: Iterable[str]) -> tuple[Pointer, ...]:
    """The pointers of the statement that some attributes mean the same."""
    return _statement(ALIAS, [Pointer(ATTRIBUTE, name) for name in dict.fromkeys(names)])


def same(things: Iterable[Entity]) -> tuple[Pointer, ...]:
    """The pointers of the statement that some things are one."""
    return _statement(SAME, [Pointer(THING, Reference(thing)) for thing in dict.fromkeys(things)])


def _statement(context: str, members: list[Pointer]) -> tuple[Pointer, ...]:
    what = "attributes" if context == ALIAS else "things"
    fix = 'db.alias("title", "name")' if context == ALIAS else 'db.same("film:42", "tt0133093")'
    if len(members) < 2:
        raise RequestError(
            "hyper.vocabulary", f"two {what} or more are said to be the same, not {len(members)}", fix=fix
        )
    if len(members) > MEMBERS_MAX:
        raise RequestError(
            "hyper.vocabulary", f"one statement ties together at most {MEMBERS_MAX:,} {what}", fix="say several"
        )
    return (Pointer(ROLE, Reference(VOCABULARY, context)), *members)


def members(edge: Hyperedge, context: str) -> list[Any]:
    """What a statement of a context ties together, in its order; nothing where it is none."""
    if _AT[context] not in edge.targets(ROLE):
        return []
    if context == ALIAS:
        return [each for each in edge.targets(ATTRIBUTE) if type(each) is str]
    return [each.entity for each in edge.targets(THING) if isinstance(each, Reference)]


Name = TypeVar("Name", bound=Hashable)


class Classes(Generic[Name]):
    """Classes of one kind, by their members: the one that is shown for all, and what ties them together.

    Shown is what the oldest statement about a class names first, so that every copy that has the same statements shows
    the same.
    """

    def __init__(self, labels: Mapping[Name, object], said: Iterable[tuple[Hyperedge, Sequence[Name]]]) -> None:
        by_label: dict[object, list[Name]] = {}
        self._said: dict[Name, list[tuple[Hyperedge, Sequence[Name]]]] = {}
        for edge, tied in said:
            for name in dict.fromkeys(tied):
                if name in labels:
                    found = by_label.setdefault(labels[name], [])
                    if name not in self._said:
                        found.append(name)
                    self._said.setdefault(name, []).append((edge, tied))
        self._each = [tuple(found) for found in by_label.values() if found]
        self._classes = {name: each for each in self._each for name in each}  # one tuple for all its members

    def shown(self, name: Name) -> Name:
        """What is shown for a name: itself where nothing ties it to another."""
        return self.all(name)[0]

    def all(self, name: Name) -> tuple[Name, ...]:
        """Every name that means the same, the one that is shown first."""
        given: Any = name  # whatever it is said to be
        if not isinstance(given, str | bytes):
            raise RequestError("hyper.vocabulary", f"{given!r:.60} is no name of an attribute, and no thing")
        return self._classes.get(name, (name,))

    def __iter__(self) -> Iterator[tuple[Name, ...]]:
        """The classes, each once."""
        return iter(self._each)

    def __len__(self) -> int:
        return len(self._each)

    def __repr__(self) -> str:
        return f"{len(self)} class{'' if len(self) == 1 else 'es'}"

    def pairs(self) -> Iterator[tuple[Name, Name]]:
        """Each member with the one that is shown for it."""
        return ((name, found[0]) for name, found in self._classes.items())

    def why(self, one: Name, other: Name) -> tuple[Hyperedge, ...]:
        """The statements, as few as there can be, by which two names mean the same; none where they do not, or are one."""
        if one == other or self.all(one) != self.all(other):
            return ()
        came: dict[Name, tuple[Name, Hyperedge] | None] = {one: None}
        waiting = deque([one])
        looked_at: set[Hyperedge] = set()  # a statement that ties many together is gone through once
        while waiting and other not in came:
            at = waiting.popleft()
            for edge, tied in self._said[at]:
                if edge in looked_at:
                    continue
                looked_at.add(edge)
                for name in tied:
                    if name not in came:
                        came[name] = (at, edge)
                        waiting.append(name)
        chain: list[Hyperedge] = []
        step = came.get(other)
        while step is not None:
            chain.append(step[1])
            step = came[step[0]]
        return tuple(reversed(chain))


@final
class Vocabulary:
    """What means the same at one moment: `attributes` and `things`, each as classes."""

    __slots__ = ("attributes", "things")

    def __init__(self, attributes: Classes[str], things: Classes[Entity]) -> None:
        self.attributes = attributes
        self.things = things

    def program(self) -> str:
        """PomoLogic rules over this vocabulary: `meant` is what stands, by the things and attributes that are shown.

        `thing_is(of, is)` and `attribute_is(of, is)` have what is shown for another; for all else there is no tuple.
        """
        return "".join([DECLARED, *(f"{rule}\n" for rule in self._facts()), MEANT])

    def rules(self) -> Program:
        """The same as a program that was read, which holds more than a text may."""
        meant, facts = _meant(), tuple(self._facts())
        if len(facts) > NAMES_MAX:
            raise RequestError(
                "hyper.vocabulary",
                f"{len(facts):,} names mean the same as others, and a program takes {NAMES_MAX:,}",
                fix="those that some authors say: trusted=[…]; or get and records, which take any number",
            )
        return Program((*facts, *meant.rules), meant.declarations)

    def _facts(self) -> Iterator[Rule]:
        of_attributes: list[tuple[Value, Value]] = list(self.attributes.pairs())
        of_things: list[tuple[Value, Value]] = list(self.things.pairs())
        for relation, pairs in (
            ("attribute_is", of_attributes or [(NOTHING, NOTHING)]),
            ("thing_is", of_things or [(NOTHING.encode(), NOTHING.encode())]),
        ):
            for name, shown in pairs:
                yield Rule(Atom(relation, (("of", Constant(name)), ("is", Constant(shown)))))

    def __repr__(self) -> str:
        return f"<Vocabulary: {self.attributes!r} of attributes and {self.things!r} of things>"


_REST: Final = "value: V, fact: F, delta: D, author: W, time: T, counter: N"

MEANT: Final = f"""\
meant(entity: E, attribute: A, {_REST}) :-
    stands(entity: E, attribute: A, {_REST}), !thing_is(of: E), !attribute_is(of: A).
meant(entity: X, attribute: A, {_REST}) :-
    stands(entity: E, attribute: A, {_REST}), thing_is(of: E, is: X), !attribute_is(of: A).
meant(entity: E, attribute: B, {_REST}) :-
    stands(entity: E, attribute: A, {_REST}), !thing_is(of: E), attribute_is(of: A, is: B).
meant(entity: X, attribute: B, {_REST}) :-
    stands(entity: E, attribute: A, {_REST}), thing_is(of: E, is: X), attribute_is(of: A, is: B).
"""
"""What stands, by the things and attributes that are shown."""

DECLARED: Final = "relation attribute_is(of: text, is: text).\nrelation thing_is(of: bytes, is: bytes).\n"


@cache
def _meant() -> Program:
    return parse(DECLARED + MEANT)

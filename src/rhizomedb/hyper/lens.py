"""Lenses between versions of a schema: who reads one version sees what is said in the others, in both directions.

In the spirit of Cambria (G. Litt, P. van Hardenberg, O. Henry: Cambria, Schema evolution in distributed systems with edit
lenses, 2021). A lens is a list of steps from one version to another; each step has its reverse, so a lens is one too. Lenses
are hyperedges at the thing `vocabulary` under `lens`, and make a graph of versions; who reads a version follows them from
there. Nothing is rewritten.

What a property is called says in which version it was said: an attribute that no lens names is the same in all of them. So a
property that means something else has another name. That is the one rule that steps have to keep.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.reserved import is_name
from rhizomedb.facts.value import Value, check_value, exact
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference
from rhizomedb.hyper.vocabulary import ROLE, VOCABULARY

LENS: Final = "lens"
"""The context under which lenses are said."""

STEPS_MAX, VERSIONS_MAX = 200, 64
"""How many steps a lens may have, and how many versions may be reached from one."""

TOGETHER_MAX: Final = 2_000
"""How many steps all lenses may have that lead to one version: each place between two steps may have every name."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A property has another name."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Wrap:
    """A property with one value becomes one with a list of them."""

    one: str
    many: str


@dataclass(frozen=True, slots=True)
class Head:
    """Of a list the first is taken, what was claimed first. The others are lost on the way."""

    many: str
    one: str


@dataclass(frozen=True, slots=True)
class Add:
    """A new property, with a value where nobody gives it one: of the things of which something is said of `beside`."""

    property: str
    value: Value
    beside: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A property that is no more, and is lost; the other way round it is as by `Add`."""

    property: str
    value: Value
    beside: str


@dataclass(frozen=True, slots=True)
class Split:
    """A text becomes several, at a separator; the last has all that is left. What is no text is lost."""

    whole: str
    parts: tuple[str, ...]
    by: str = " "


@dataclass(frozen=True, slots=True)
class Join:
    """Several texts become one, with a separator between those that there are. What is no text is lost."""

    parts: tuple[str, ...]
    whole: str
    by: str = " "


@dataclass(frozen=True, slots=True)
class Convert:
    """Values by a table, under another name. What is not in it is lost; of several pairs for a value the first counts."""

    old: str
    new: str
    table: tuple[tuple[Value, Value], ...]

    @property
    def values(self) -> list[tuple[Value, Value]]:
        """What each value becomes."""
        found: dict[object, tuple[Value, Value]] = {}
        for before, after in self.table:
            found.setdefault(exact(before), (before, after))
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Hoist:
    """A property of a thing that another leads to becomes one of the thing itself: the `name` of an `author` as `author_name`."""

    thing: str
    inner: str
    new: str

    @property
    def path(self) -> str:
        """How the property is called where it is inside."""
        return f"{self.thing}.{self.inner}"


@dataclass(frozen=True, slots=True)
class Sink:
    """A property becomes one inside another: `author_name` becomes `author.name`, as who reads by the path gets both."""

    old: str
    thing: str
    inner: str

    @property
    def path(self) -> str:
        """How the property is called where it is inside."""
        return f"{self.thing}.{self.inner}"


Step: TypeAlias = Rename | Wrap | Head | Add | Remove | Split | Join | Convert | Hoist | Sink
"""A step of a lens."""

STEPS: Final[Mapping[str, type[Any]]] = {
    "rename": Rename,
    "wrap": Wrap,
    "head": Head,
    "add": Add,
    "remove": Remove,
    "split": Split,
    "join": Join,
    "convert": Convert,
    "hoist": Hoist,
    "sink": Sink,
}
"""Every kind of step, by the word for it."""

_WORDS: Final = {kind: word for word, kind in STEPS.items()}


def reverse(step: Step) -> Step:
    """A step the other way round."""
    match step:
        case Rename(old, new):
            return Rename(new, old)
        case Wrap(one, many):
            return Head(many, one)
        case Head(many, one):
            return Wrap(one, many)
        case Add(property, value, beside):
            return Remove(property, value, beside)
        case Remove(property, value, beside):
            return Add(property, value, beside)
        case Split(whole, parts, by):
            return Join(parts, whole, by)
        case Join(parts, whole, by):
            return Split(whole, parts, by)
        case Convert(old, new, table):
            return Convert(new, old, tuple((after, before) for before, after in table))
        case Hoist(thing, inner, new):
            return Sink(new, thing, inner)
        case Sink(old, thing, inner):
            return Hoist(thing, inner, old)


def takes(step: Step) -> tuple[str, ...]:
    """The properties that are no more behind a step."""
    match step:
        case Rename(old, _) | Convert(old, _, _) | Sink(old, _, _):
            return (old,)
        case Wrap(one, _):
            return (one,)
        case Head(many, _):
            return (many,)
        case Add():
            return ()
        case Remove(property, _, _):
            return (property,)
        case Split(whole, _, _):
            return (whole,)
        case Join(parts, _, _):
            return parts
        case Hoist(thing, _, _):
            return (thing, step.path)


def gives(step: Step) -> tuple[str, ...]:
    """The properties that are not yet before a step."""
    return takes(reverse(step))


_EXAMPLE: Final = 'db.lens("task/1", "task/2", Rename("title", "name"))'


@dataclass(frozen=True, slots=True)
class Lens:
    """The steps from one version to another, and the delta and the author that say so, where somebody does."""

    old: str
    new: str
    steps: tuple[Step, ...]
    delta: Cid | None = None
    author: bytes = b""

    def __post_init__(self) -> None:
        for version in (self.old, self.new):
            if type(version) is not str or not version:
                raise _wrong(f"a version is a text that is not empty, not {version!r:.60}")
        if self.old == self.new:
            raise _wrong(f"a lens leads from one version to another one, not from {self.old!r:.60} to itself")
        if not isinstance(self.steps, tuple) or not 0 < len(self.steps) <= STEPS_MAX:
            raise _wrong(f"a lens has one step, or several up to {STEPS_MAX}")
        object.__setattr__(self, "steps", tuple(map(_checked, self.steps)))
        taken: dict[str, Step] = {}
        for step in self.steps:
            for name in gives(step):
                if name in taken:
                    raise _wrong(
                        f"{name!r:.60} would be what it was before {taken[name]!r:.60} took it",
                        "give a property that means something else another name",
                    )
            taken.update(dict.fromkeys(takes(step), step))

    @property
    def reverse(self) -> Lens:
        """The other way round."""
        return Lens(self.new, self.old, tuple(map(reverse, reversed(self.steps))), self.delta, self.author)


def _checked(step: Any) -> Step:
    """A step whose parts are what they should be."""
    if type(step) not in STEPS.values():
        raise _wrong(f"{step!r:.60} is no step of a lens")
    names: list[Any] = []
    parts: Any
    table: Any
    match step:
        case Split() | Join():
            whole, parts, by = step.whole, step.parts, step.by
            if isinstance(parts, str) or not isinstance(parts, Iterable):
                raise _wrong(
                    f"the parts are a list of names, not {parts!r:.60}", f'{type(step).__name__}(…, ("first", "last"))'
                )
            parts = tuple(parts)
            object.__setattr__(step, "parts", parts)
            names = [whole, *parts]
            if len(parts) < 2:
                raise _wrong("a text is split into two parts or more")
            if type(by) is not str or not by:
                raise _wrong(f"a separator is a text that is not empty, not {by!r:.60}")
            check_value(by)
        case Convert():
            old, new, table = step.old, step.new, step.table
            pairs: Any = table.items() if isinstance(table, Mapping) else table
            if not isinstance(pairs, Iterable) or isinstance(pairs, str):
                raise _wrong(f"{table!r:.60} is no table of values", 'Convert("done", "status", {False: "todo"})')
            found = [tuple(pair) if isinstance(pair, tuple | list) else (pair,) for pair in pairs]
            if not found or any(len(pair) != 2 for pair in found):
                raise _wrong("a table has pairs of values, and at least one", '{False: "todo", True: "done"}')
            object.__setattr__(step, "table", tuple((_value(pair[0]), _value(pair[1])) for pair in found))
            names = [old, new]
        case Add(property, value, beside) | Remove(property, value, beside):
            object.__setattr__(step, "value", _value(value))
            names = [property, beside]
        case Hoist(thing, inner, new) | Sink(new, thing, inner):
            names = [thing, new]
            if not is_name(inner):
                raise _wrong(f"a property is a text that is not empty nor reserved, not {inner!r:.60}")
            check_value(inner)
        case Rename(one, two) | Wrap(one, two) | Head(one, two):
            names = [one, two]
    for name in names:
        if not is_name(name):
            raise _wrong(f"a property is a text that is not empty nor reserved, not {name!r:.60}")
        check_value(name)
    if len(set(names)) < len(names):
        raise _wrong(f"{step!r:.60} names a property twice", "a property that means something else has another name")
    checked: Step = step
    return checked


def _value(value: Any) -> Value:
    if isinstance(value, bytes | Cid):
        raise _wrong(f"a value of a lens is a text, a number, true or false, not {value!r:.60}")
    return check_value(value)


def _wrong(message: str, fix: str = _EXAMPLE) -> RequestError:
    return RequestError("hyper.lens", message, fix=fix)


# -- as data ----------------------------------------------------------------------------------------------------------


def pointers_of(lens: Lens) -> tuple[Pointer, ...]:
    """The pointers of the statement of a lens."""
    steps = [
        Pointer(f"step {place}", json.dumps(written(step), ensure_ascii=False))
        for place, step in enumerate(lens.steps, 1)
    ]
    return (
        Pointer(ROLE, Reference(VOCABULARY, LENS)),
        Pointer("from", lens.old),
        Pointer("to", lens.new),
        *steps,
    )


def lens_of(edge: Hyperedge) -> Lens | None:
    """The lens that a hyperedge says; None where it says none, `hyper.lens` where it cannot be understood."""
    if Reference(VOCABULARY, LENS) not in edge.targets(ROLE):
        return None
    versions = [[each for each in edge.targets(role) if type(each) is str] for role in ("from", "to")]
    if any(len(found) != 1 for found in versions):
        raise _wrong("a lens leads from one version to one other")
    steps = []
    for place in range(1, STEPS_MAX + 1):
        found = edge.targets(f"step {place}")
        if not found:
            break
        try:
            steps.append(read(json.loads(str(found[0]))))
        except (ValueError, RecursionError):
            raise _wrong(f"step {place} is no JSON") from None
    return Lens(versions[0][0], versions[1][0], tuple(steps), edge.delta, edge.author)


def written(step: Step) -> dict[str, Any]:
    """A step as JSON: `{"rename": ["title", "name"]}`."""
    kind = type(step)
    return {_WORDS[kind]: [getattr(step, name) for name in kind.__annotations__]}


def read(node: Any) -> Step:
    """The step that parsed JSON says."""
    if not isinstance(node, dict) or len(node) != 1:
        raise _wrong(f"{node!r:.60} is no step", '{"rename": ["title", "name"]}')
    ((word, parts),) = node.items()
    if word not in STEPS:
        raise RequestError(
            "hyper.lens",
            f"there is no step {word!r:.60}",
            nearest=nearest_names(str(word), STEPS),
            fix=", ".join(STEPS),
        )
    names = list(STEPS[word].__annotations__)
    if not isinstance(parts, list) or not len(names) - (word in ("split", "join")) <= len(parts) <= len(names):
        raise _wrong(f"{word} has {len(names)} parts: {', '.join(names)}")
    return _checked(STEPS[word](*parts))


# -- the graph of versions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A version, or what lies between two steps: which properties are said there, and whence more comes, by which steps."""

    number: int
    version: str | None
    names: frozenset[str]
    sources: tuple[tuple[int, Step, Lens], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How one version is read: the nodes of a tree whose root, the first, is the version, and every name that a lens has."""

    nodes: tuple[Node, ...]
    named: frozenset[str]

    @property
    def root(self) -> Node:
        """The version that is read."""
        return self.nodes[0]

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions from which something is read, the nearest first."""
        return tuple(node.version for node in self.nodes if node.version is not None)

    @property
    def paths(self) -> tuple[tuple[str, str, str], ...]:
        """What the root has inside other things: the property, the one inside, and how both together are called."""
        steps = [step for node in self.nodes for _, step, _ in node.sources]
        found = [
            (each.thing, each.inner, each.path)
            for step in steps
            for each in (step, reverse(step))
            if isinstance(each, Sink)
        ]
        return tuple(dict.fromkeys(each for each in found if each[0] in self.root.names))


def reading(lenses: Iterable[Lens], version: str) -> Reading:
    """How a version is read through some lenses, over the fewest of them; `hyper.unknown-version` if none leads to it."""
    around: dict[str, list[Lens]] = {}
    for lens in sorted(lenses, key=lambda lens: (lens.old, lens.new)):
        around.setdefault(lens.old, []).append(lens.reverse)  # from the new one back to the old one
        around.setdefault(lens.new, []).append(lens)
    if type(version) is not str or version not in around:
        raise RequestError(
            "hyper.unknown-version",
            f"no lens leads to a version {version!r:.60}",
            nearest=nearest_names(str(version), around),
            fix=_EXAMPLE,
        )
    versions: list[str | None] = [version]
    sources: dict[int, list[tuple[int, Step, Lens]]] = {}
    met = {version: 0}
    waiting = deque([version])
    while waiting:
        at = waiting.popleft()
        for lens in around[at]:  # it leads here
            if lens.old in met:
                continue
            if len(met) >= VERSIONS_MAX:
                raise RequestError("hyper.lens", f"more than {VERSIONS_MAX} versions lead to {version!r:.60}")
            place = met[at]
            if len(versions) + len(lens.steps) > TOGETHER_MAX:
                raise RequestError(
                    "hyper.lens",
                    f"the lenses that lead to {version!r:.60} are too many: they have more than {TOGETHER_MAX:,} steps",
                    fix="fewer lenses: trusted=[…]",
                )
            for step in reversed(lens.steps):
                versions.append(None)
                sources.setdefault(place, []).append((len(versions) - 1, step, lens))
                place = len(versions) - 1
            versions[place] = lens.old
            met[lens.old] = place
            waiting.append(lens.old)
    names = _names(len(versions), sources)
    nodes = [Node(n, versions[n], frozenset(names[n]), tuple(sources.get(n, ()))) for n in range(len(versions))]
    return Reading(tuple(nodes), frozenset().union(*names))


def _names(count: int, sources: Mapping[int, Sequence[tuple[int, Step, Lens]]]) -> list[set[str]]:
    """The properties that are said at each node: those on its side of a step, and those that a step lets pass."""
    names: list[set[str]] = [set() for _ in range(count)]
    edges = [(child, parent, step) for parent, found in sources.items() for child, step, _ in found]
    for child, parent, step in edges:
        names[child] |= set(takes(step))
        names[parent] |= set(gives(step))
        if isinstance(step, Add | Remove):  # it lets pass what it goes by
            names[child].add(step.beside)
            names[parent].add(step.beside)
    is_changed = True
    while is_changed:
        is_changed = False
        for child, parent, step in edges:
            touched = {*takes(step), *gives(step)}
            for one, other in ((child, parent), (parent, child)):
                passed = names[one] - touched - names[other]
                if passed:
                    names[other] |= passed
                    is_changed = True
    return names


Claim: TypeAlias = "tuple[Any, str, Value, Cid, Cid, bytes, int, int]"
"""What is said: a thing, a property, a value, the fact, the delta, the author, the claimed time and its counter."""

Lost: TypeAlias = "tuple[Claim, str]"
"""What a version does not show, and why."""

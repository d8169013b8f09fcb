"""Records are what the standard frozen dataclasses with slots are, made in less time."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from rhizomedb import _record

BOTH = {"standard": dataclasses.dataclass, "ours": _record.dataclass}


def made(decorate: Any) -> dict[str, Any]:
    """The same classes by one decorator, and a subclass that is none."""

    @decorate(frozen=True, slots=True)
    class Point:
        """A point."""

        x: int
        y: int = 2
        tags: list[str] = dataclasses.field(default_factory=list)

    @decorate(frozen=True, slots=True)
    class Empty:
        """Nothing."""

    @decorate(frozen=True, slots=True)
    class Node:
        """With a place that does not count, and a rule."""

        name: str
        place: int | None = dataclasses.field(default=None, compare=False, repr=False, kw_only=True)
        made: str = dataclasses.field(default="here", init=False)

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("a node has a name")

    @decorate(frozen=True, slots=True)
    class Named(Node):
        """More than its base."""

        title: str = ""

        def __repr__(self) -> str:
            return f"<{self.title}>"

    @decorate(frozen=True, slots=True)
    class Loose:
        """Equal in a way of its own."""

        key: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Loose) and self.key.lower() == other.key.lower()

        def __hash__(self) -> int:
            return hash(self.key.lower())

    @decorate(frozen=True, slots=True, eq=False)
    class Itself:
        """Equal to itself alone."""

        key: str

    class Plain(Point):
        """Not frozen, and so with attributes of its own."""

    return {each.__name__: each for each in (Point, Empty, Node, Named, Loose, Itself, Plain)}


LOOKS: dict[str, Any] = {
    "made by place and by name": lambda c: (c["Point"](1), c["Point"](1, y=3, tags=["a"]), c["Point"](x=1).tags),
    "shown": lambda c: [repr(each) for each in (c["Point"](1), c["Empty"](), c["Node"]("n", place=3), c["Named"]("n", title="t"))],
    "equal": lambda c: [
        c["Point"](1) == c["Point"](1, 2, []), c["Point"](1) == c["Point"](2), c["Point"](1) == (1, 2, []),
        c["Node"]("n", place=1) == c["Node"]("n", place=2), c["Node"]("n") == c["Named"]("n"), c["Empty"]() == c["Empty"](),
        c["Loose"]("A") == c["Loose"]("a"), c["Itself"]("a") == c["Itself"]("a"),
    ],
    "hashed": lambda c: [
        hash(c["Node"]("n", place=1)) == hash(c["Node"]("n")), hash(c["Loose"]("A")) == hash(c["Loose"]("a")),
        len({c["Node"]("n"), c["Node"]("n"), c["Node"]("m")}), len({c["Empty"](), c["Empty"]()}),
    ],
    "not to be hashed": lambda c: hash(c["Point"](1)),
    "replaced": lambda c: (dataclasses.replace(c["Point"](1), y=9), dataclasses.replace(c["Node"]("n", place=1), name="m").place),
    "fields": lambda c: [(f.name, f.init, f.kw_only) for f in dataclasses.fields(c["Named"])],
    "as a tuple and a dict": lambda c: (dataclasses.astuple(c["Point"](1)), dataclasses.asdict(c["Point"](1))),
    "matched": lambda c: (c["Point"].__match_args__, c["Node"].__match_args__, c["Named"].__match_args__),
    "slots": lambda c: (c["Point"].__slots__, c["Named"].__slots__, hasattr(c["Point"](1), "__dict__")),
    "its signature": lambda c: [list(inspect.signature(c[name]).parameters) for name in ("Point", "Node", "Named", "Empty")],
    "copied": lambda c: (copy.copy(c["Point"](1, 2, ["a"])), copy.deepcopy(c["Node"]("n", place=[1])).place),
    "not changed": lambda c: setattr(c["Point"](1), "x", 2),
    "not deleted": lambda c: delattr(c["Point"](1), "x"),
    "its rule": lambda c: c["Node"](""),
    "too few": lambda c: c["Point"](),
    "too many": lambda c: c["Point"](1, 2, [], 4),
    "by place what has a name": lambda c: c["Node"]("n", 3),
    "a subclass": lambda c: repr(c["Plain"](1)).endswith("Plain(x=1, y=2, tags=[])"),
    "a field of a subclass": lambda c: setattr(c["Plain"](1), "x", 5),
    "names": lambda c: [(each.__qualname__, each.__doc__, each.__init__.__qualname__) for each in c.values()],
    "each has its own list": lambda c: c["Point"](1).tags is c["Point"](1).tags,
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_it_is_what_the_standard_one_is(look: Any) -> None:
    found = []
    for decorate in BOTH.values():
        try:
            found.append(repr(look(made(decorate))))
        except (TypeError, ValueError, dataclasses.FrozenInstanceError) as error:
            found.append((type(error), str(error)))
    assert found[0] == found[1]


def test_attributes_that_are_no_fields() -> None:
    """The standard one of Python 3.11 fails here for a reason of its own."""
    classes = made(_record.dataclass)
    with pytest.raises(dataclasses.FrozenInstanceError):
        classes["Point"](1).z = 2
    plain = classes["Plain"](1)
    plain.z = 5
    assert plain.z == 5
    del plain.z


@_record.dataclass(frozen=True, slots=True)
class Kept:
    """One that can be found by its name."""

    a: int
    b: object = None


def test_it_is_pickled_and_may_hold_itself() -> None:
    held: list[Any] = []
    kept = Kept(1, held)
    held.append(kept)
    assert repr(kept) == "Kept(a=1, b=[...])" and pickle.loads(pickle.dumps(Kept(1, "x"))) == Kept(1, "x")


def test_the_others_are_the_standard_ones() -> None:
    @_record.dataclass
    class Plain:
        a: int = 1

    @_record.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int

    @_record.dataclass(slots=True)
    class Changing:
        a: int

    assert Plain().__dict__ == {"a": 1} and Ordered(1) < Ordered(2)
    changing = Changing(1)
    changing.a = 2
    assert changing == Changing(2)

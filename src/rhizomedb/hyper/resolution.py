"""Views: from what a HyperView shows to one value for each property, by policies that are chosen when it is asked.

A policy writes nothing: the same hyperedges give another view by another policy. Every policy ends in one rule for ties,
claimed time and then the delta's id, so that the order of arrival never shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final, TypeAlias, final

from rhizomedb._record import dataclass
from rhizomedb.errors import BudgetExceeded, RequestError, nearest_names
from rhizomedb.facts.value import exact, order
from rhizomedb.hyper.hyperview import ENTRIES_MAX, Entry, HyperView
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.primitive import primitive


@dataclass(frozen=True, slots=True)
class Said:
    """One value of a property, and the hyperedge that says it."""

    value: Any
    edge: Hyperedge

    @property
    def key(self) -> object:
        """What makes two values the same: a number is the same number in both kinds, as where people read."""
        return key_of(self.value)


Choose: TypeAlias = Callable[[Sequence[Said]], Any]
"""A policy: from all that is said of a property, oldest first and never nothing, to what is shown; `NOTHING` for nothing."""


Beside: TypeAlias = Mapping[str, Sequence[Said]]
"""All that is said of other properties, by their names, oldest first."""


@final
class Depending:
    """A policy that looks at other properties of the same view too, which it names; `depends` makes one.

    It depends on what is said of them, not on what is shown, so policies may depend on each other. What is shown can change
    only where something is said of its own property or of one that it names.
    """

    def __init__(self, on: Sequence[str], choose: Callable[[Sequence[Said], Beside], Any]) -> None:
        self.on = tuple(on)
        self.choose = choose

    def __call__(self, said: Sequence[Said], beside: Beside | None = None) -> Any:
        """What is shown; of a property that it does not name nothing is said."""
        return self.choose(said, {name: (beside or {}).get(name, ()) for name in self.on})

    def __repr__(self) -> str:
        return f"<policy {getattr(self.choose, '__name__', 'of a function')}, which depends on {', '.join(self.on)}>"


def depends(*on: str) -> Callable[[Callable[[Sequence[Said], Beside], Any]], Depending]:
    """Make a policy of a function that looks at other properties, too, which it has to name.

    @depends("source")
    def runtime(said, beside):
        return max(each.value for each in said) if beside["source"] else said[-1].value

    db.show("matrix", "Movie", policies={"runtime": runtime})
    """
    wrong = next((name for name in on if type(name) is not str or not name), None) if on else on
    if wrong is not None:
        raise RequestError(
            "db.usage", f"{wrong!r:.60} is no property to depend on", fix='@depends("year"), above the function'
        )
    return lambda choose: Depending(on, choose)


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


def _latest(said: Sequence[Said]) -> Any:
    return said[-1].value


def _first(said: Sequence[Said]) -> Any:
    return said[0].value


def _all(said: Sequence[Said]) -> Any:
    return [each.value for each in said]


def _each(said: Sequence[Said]) -> Any:
    """Of a property that has many values, each once, oldest first."""
    found: dict[object, Any] = {}
    for each in said:
        found.setdefault(each.key, each.value)
    return list(found.values())


def _vote(said: Sequence[Said]) -> Any:
    voters: dict[object, set[object]] = {}
    for each in said:
        voters.setdefault(each.key, set()).add((each.edge.author, each.edge.claimed_author))
    most = max(map(len, voters.values()))
    return next(each.value for each in reversed(said) if len(voters[each.key]) == most)


def _numbers(said: Sequence[Said]) -> list[int | float]:
    return [each.value for each in said if type(each.value) in (int, float)]


def _average(said: Sequence[Said]) -> Any:
    numbers = _numbers(said)
    return sum(numbers) / len(numbers) if numbers else NOTHING


def _extreme(choose: Callable[..., Any]) -> Choose:
    def chosen(said: Sequence[Said]) -> Any:
        values = [each.value for each in said if not isinstance(each.value, dict | list)]
        return choose(values, key=order) if values else NOTHING

    return chosen


POLICIES: Final[Mapping[str, Choose]] = {
    "latest": _latest,
    "first": _first,
    "all": _all,
    "vote": _vote,
    "average": _average,
    "max": _extreme(max),
    "min": _extreme(min),
}
"""Policies by name. `trusted:A,B` and `claimed:A,B` go by author: those who signed, or those whom statements name."""


def by_author(author_of: Callable[[Hyperedge], Any], authors: Sequence[Any]) -> Choose:
    """What the first of some authors says who says anything, the latest of it; else the latest of all."""

    def chosen(said: Sequence[Said]) -> Any:
        for author in authors:
            theirs = [each for each in said if author_of(each.edge) == author]
            if theirs:
                return theirs[-1].value
        return said[-1].value

    return chosen


def policy_of(policy: str | Choose, key_of: Callable[[str], bytes]) -> Choose:
    """A policy by its name, or one that is given itself. `key_of` is the key of an author's name."""
    if callable(policy):
        return policy
    name, colon, authors = str(policy).partition(":")
    if colon and name in ("trusted", "claimed"):
        names = [each.strip() for each in authors.split(",") if each.strip()]
        if not names:
            raise RequestError("db.unknown-policy", f"{name} needs names", fix=f"{name}:ann,ben")
        if name == "claimed":
            return by_author(attrgetter("claimed_author"), names)
        return by_author(attrgetter("author"), [key_of(each) for each in names])
    if name not in POLICIES or colon:
        known = [*POLICIES, "trusted:A,B", "claimed:A,B"]
        raise RequestError(
            "db.unknown-policy",
            f"there is no policy {policy!r:.60}",
            nearest=nearest_names(name, known),
            fix=f"one of {', '.join(known)}",
        )
    return POLICIES[name]


Wholes: TypeAlias = Callable[[HyperView, Callable[[Any], Any]], Mapping[str, Any]]
"""From a view to what is shown of its properties that belong together, `NOTHING` for nothing; the second argument makes data."""

Made: TypeAlias = dict[int, dict[str, Any]]
"""What views came to, by the identity of each: a view that is reached in several ways is one object."""


def resolve(
    view: HyperView,
    choose: Choose,
    special: Mapping[str, Choose],
    most: int = ENTRIES_MAX,
    made: Made | None = None,
    wholes: Wholes | None = None,
) -> dict[str, Any]:
    """A HyperView as plain data: `id`, and of each property what its policy shows, views inside it likewise.

    The value of a property is what its hyperedges say in the role that the schema names, or in the role of the same name,
    of the kind that the schema expects; where there is none, all that they say in other roles, by role. Of a property that
    has many values all are shown, each once. `special` are policies of single properties, by name, or by the name of a
    schema and theirs, as `Movie.title`. More than `most` entries are `budget.facts`. What each view inside it came to is
    put into `made`. `wholes` says what is shown of properties that belong together (`whole_records`).
    """
    left = most
    made = {} if made is None else made

    def resolved(view: HyperView) -> dict[str, Any]:
        nonlocal left
        found = made.get(id(view))
        if found is not None:
            return found
        found = made[id(view)] = {"id": view.id}
        belonging = {} if wholes is None else wholes(view, as_data)
        for property, entries in view.properties.items():
            left -= len(entries)
            if left < 0:
                raise BudgetExceeded("budget.facts", f"the view has more than {most:,} entries")
            if property in belonging:
                if belonging[property] is not NOTHING:
                    found[property_key(property)] = belonging[property]
                continue
            said = said_of(view, property, as_data)
            shown = policy_for(view, property, choose, special, as_data)(said) if said else NOTHING
            if shown is not NOTHING:
                found[property_key(property)] = shown
        return found

    as_data = partial(plain, resolved=resolved)
    return resolved(view)


def property_key(property: str) -> str:
    """Under which key a view as plain data has a property: `id` is the thing's."""
    return "id[]" if property == "id" else property


def policy_for(
    view: HyperView, property: str, choose: Choose, special: Mapping[str, Choose], plain: Callable[[Any], Any]
) -> Choose:
    """The policy by which a property of a view is chosen; `plain` as for `said_of`."""
    expected = view.schema.properties.get(property)
    usual = _each if expected is not None and expected.many else choose
    found = special.get(f"{view.schema.name}.{property}", special.get(property, usual))
    if isinstance(found, Depending):
        return partial(found, beside={name: said_of(view, name, plain) for name in found.on})
    return found


def said_of(view: HyperView, property: str, plain: Callable[[Any], Any]) -> list[Said]:
    """All that is said of a property of a view, oldest first; `plain` makes data of what pointers point at.

    What a view only marks as taken back is not said any more.
    """
    stands = (entry for entry in view[property] if not entry.edge.is_negated)
    return [Said(by_role(value, plain), entry.edge) for entry in stands for value in told(view, property, entry)]


def told(view: HyperView, property: str, entry: Entry) -> list[Any]:
    """What a hyperedge says of a property of a view: values, things or views; or one dictionary of them by role.

    Those in the role that the schema names, or in the role of the property's name, of the kind that it expects; where there
    is none, the others.
    """
    expected = view.schema.properties.get(property)
    named = entry.values(property if expected is None or expected.role is None else expected.role)
    if expected is not None and expected.kind is not None:
        kind = primitive(expected.kind)
        named = [each for each in named if (kind.name == "thing" if isinstance(each, HyperView) else kind.holds(each))]
    if named:
        return named
    others: dict[str, list[Any]] = {}
    for name, target in entry.targets:
        if isinstance(target, Reference) and (target.entity, target.context) == (view.entity, property):
            continue
        others.setdefault(name, []).append(target)
    return [others] if others else []


def by_role(value: Any, plain: Callable[[Any], Any]) -> Any:
    """What is told, each part of it as `plain` makes it: a dictionary has a list only where a role has several."""
    if not isinstance(value, dict):
        return plain(value)
    return {name: plain(some[0]) if len(some) == 1 else list(map(plain, some)) for name, some in value.items()}


def plain(target: Any, resolved: Callable[[HyperView], Any]) -> Any:
    """A target as plain data: a thing by its id, a view as what it is `resolved` to."""
    if isinstance(target, HyperView):
        return resolved(target)
    return id_of(target.entity) if isinstance(target, Reference) else target


def key_of(value: Any) -> object:
    """What makes two values that a view shows the same; a number is the same number in both kinds."""
    if isinstance(value, dict):
        return tuple(sorted((name, key_of(each)) for name, each in value.items()))
    if isinstance(value, list):
        return tuple(map(key_of, value))
    if type(value) is float and value.is_integer():
        return exact(int(value))
    return exact(value)

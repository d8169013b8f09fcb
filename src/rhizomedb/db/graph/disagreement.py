"""Where hyperedges say several things of one property: who says which, when, by which hyperedge, and what the view shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget, Meter, budget_of
from rhizomedb.db.graph.choosing import Choosing, choosing
from rhizomedb.db.graph.finding import check_limit, things_of, things_shown
from rhizomedb.db.graph.hyperedges import Thing, at_one_moment, check_list, set_of
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for, views_of
from rhizomedb.db.moment import show_ms
from rhizomedb.db.programs.result import show
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.resolution import NOTHING, Choose, key_of, policy_for, said_of
from rhizomedb.hyper.schema import HyperSchema, Property, Schemas
from rhizomedb.hyper.typed_field import Ref

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader

SHOWN_MAX: Final = 20
"""How many conflicts a text lists."""


@dataclass(frozen=True, slots=True)
class SaidBy:
    """One statement of a value: who signed it, whom it names as its author, when, and the hyperedge."""

    author: str
    claimed_author: str | None
    time_ms: int
    edge: Hyperedge

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "author": self.author,
            "claimed_author": self.claimed_author,
            "time": show_ms(self.time_ms, zone=True),
            "edge": id_of(self.edge.edge),
        }

    def __str__(self) -> str:
        who = self.author if self.claimed_author is None else f"{self.claimed_author}, as {self.author} passes on,"
        return f"{who} {show_ms(self.time_ms)}"


@dataclass(frozen=True, slots=True)
class SaidValue:
    """A value of a property and all who say it, oldest first. A thing is a `Ref`."""

    value: Any
    said: tuple[SaidBy, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data; a thing is its id."""
        return {"value": as_data(self.value), "said": [each.as_dict() for each in self.said]}

    def shown(self, labels: Mapping[Entity, str]) -> str:
        """As a line of text, things as they are called."""
        return f"{show_shown(self.value, labels)} ({', '.join(map(str, self.said))})"

    def __str__(self) -> str:
        return self.shown({})


@dataclass(frozen=True, slots=True)
class ViewConflict:
    """A property of a thing of which several values are said: each with who says it, and what the policy shows.

    `path` is how the thing was reached: the id of a thing that was asked for, and the properties from there on.
    """

    entity: Entity
    id: str
    label: str
    schema: str
    property: str
    path: tuple[str, ...]
    values: tuple[SaidValue, ...]
    shown: Any
    labels: Mapping[Entity, str] = field(default_factory=dict, compare=False)
    """What the things among the values are called."""

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "id": self.id,
            "schema": self.schema,
            "property": self.property,
            "path": list(self.path),
            "values": [each.as_dict() for each in self.values],
            "shown": as_data(self.shown),
        }

    def __str__(self) -> str:
        values = "  ≠  ".join(each.shown(self.labels) for each in self.values)
        reached = f" (from {' · '.join(self.path)})" if len(self.path) > 1 else ""
        return f"{self.label} · {self.property}{reached}   {values}   view shows {show_shown(self.shown, self.labels)}"


class ViewConflicts(Sequence[ViewConflict]):
    """The conflicts of views, thing by thing: all, or as many as were asked for where there are `more`."""

    def __init__(self, conflicts: Iterable[ViewConflict], more: bool = False) -> None:
        self._conflicts = tuple(conflicts)
        self.more = more

    def __getitem__(self, index: Any) -> Any:
        return self._conflicts[index]

    def __len__(self) -> int:
        return len(self._conflicts)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per conflict."""
        return [conflict.as_dict() for conflict in self._conflicts]

    def __repr__(self) -> str:
        head = f"{len(self):,} conflict{'' if len(self) == 1 else 's'}{', and there are more' if self.more else ''}"
        more = [f"… {len(self) - SHOWN_MAX:,} more"] if len(self) > SHOWN_MAX else []
        return "\n".join([head, *(f"  {conflict}" for conflict in self._conflicts[:SHOWN_MAX]), *more])


def view_conflicts(
    reader: Reader,
    schema: Wanted,
    things: Thing | Iterable[Thing] | None,
    properties: str | Iterable[str] | None,
    policy: str | Choose,
    policies: Mapping[str, str | Choose] | None,
    limit: int | None,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
    budget: Budget | None,
) -> ViewConflicts:
    """See `Reader.conflicts`."""
    check_limit(limit)
    reader = at_one_moment(reader)
    allowed, chosen = budget_of(budget), choosing(reader, policy, policies)
    trusted = None if trusted is None else list(check_list(trusted))
    known, id = schemas_for(reader, schema, schemas)
    wanted = None if properties is None else properties_of(known, id, properties)
    meter = allowed.meter()
    if things is None:
        views = things_shown(reader, known, id, things_of(reader, known, id, allowed), trusted, meter)
    else:
        entities = entities_of(reader, things)
        views = iter(views_of(reader, known, id, entities, set_of(trusted, reader.author_key)))
    found = _conflicts(views, chosen, wanted, reader._authors().name, meter)
    some = list(islice(found, None if limit is None else limit + 1))
    more = limit is not None and len(some) > limit
    some = some[:limit]
    spoken_of: set[Entity] = {each.entity for each in some}
    for each in some:
        spoken_of |= things_in([value.value for value in each.values])
    labels = reader.labels(spoken_of)
    return ViewConflicts((replace(each, label=labels[each.entity], labels=labels) for each in some), more)


def entities_of(reader: Reader, things: Thing | Iterable[Thing]) -> list[Entity]:
    """One thing, or several that are given as a list, each once."""
    some = [things] if isinstance(things, str | bytes) else check_list(things)
    return list(dict.fromkeys(map(reader.thing, some)))


def properties_of(known: Schemas, id: str, properties: str | Iterable[str]) -> frozenset[str]:
    """The properties that are meant, which one of the schemas has to show."""
    some = [properties] if isinstance(properties, str) else list(check_list(properties))
    reached = known.reached(id)
    for each in some:
        if not isinstance(each, str) or not any(schema.takes(each) for schema in reached):
            named = {name for schema in reached for name in (schema.selects or ())}
            raise RequestError(
                "db.condition",
                f"{known[id].name} shows no property {each!r:.60}",
                nearest=nearest_names(str(each), named),
                fix=f"one of {', '.join(sorted(named)[:12])}" if named else 'properties=["year"]',
            )
    return frozenset(some)


def _conflicts(
    views: Iterable[HyperView],
    chosen: Choosing,
    wanted: frozenset[str] | None,
    name: Callable[[bytes], str],
    meter: Meter,
) -> Iterator[ViewConflict]:
    """The conflicts of views and of those inside, each view once."""
    seen: set[tuple[str, Entity]] = set()
    for top in views:
        waiting: list[tuple[HyperView, tuple[str, ...]]] = [(top, (top.id,))]
        while waiting:
            view, path = waiting.pop(0)
            key = view.schema.id, view.entity
            if key in seen:
                continue
            seen.add(key)
            for property, entries in view.properties.items():
                meter.spend(len(entries))
                if wanted is None or property in wanted:
                    yield from _conflict(view, property, path, chosen, name)
                waiting += [
                    (target, (*path, property))
                    for entry in entries
                    for _, target in entry.targets
                    if isinstance(target, HyperView)
                ]


def _conflict(
    view: HyperView, property: str, path: tuple[str, ...], chosen: Choosing, name: Callable[[bytes], str]
) -> Iterator[ViewConflict]:
    """The conflict about a property, if there is one; of one that has many values there is none."""
    if view.schema.properties.get(property, Property()).many:
        return
    values: dict[object, tuple[Any, list[Hyperedge]]] = {}
    for said in said_of(view, property, named):
        values.setdefault(key_of(said.value), (said.value, []))[1].append(said.edge)
    if len(values) > 1:
        yield ViewConflict(
            view.entity,
            view.id,
            view.id,
            view.schema.name,
            property,
            path,
            tuple(
                SaidValue(value, tuple(said_by(edge, name) for edge in dict.fromkeys(edges)))
                for value, edges in values.values()
            ),
            as_said(shown_of(view, property, chosen), [value for value, _ in values.values()]),
        )


def said_by(edge: Hyperedge, name: Callable[[bytes], str]) -> SaidBy:
    """Who says a hyperedge, and when; `name` is what the author of a key is called."""
    return SaidBy(name(edge.author), edge.claimed_author, edge.time.ms, edge)


def shown_of(view: HyperView, property: str, chosen: Choosing) -> Any:
    """What a policy shows of a property; None where it shows nothing. A thing that is shown inside is a `Ref`."""

    def plain(target: Any) -> Any:
        if isinstance(target, HyperView):
            return chosen.shown(target)
        return id_of(target.entity) if isinstance(target, Reference) else target

    said = said_of(view, property, plain)
    shown = policy_for(view, property, chosen.choose, chosen.special, plain)(said) if said else NOTHING
    return None if shown is NOTHING else brief(shown)


def as_said(shown: Any, said: Collection[Any]) -> Any:
    """What is shown, as it is said: the id of a thing that no schema shows inside is that thing."""
    same = {key_of(each) for each in said}
    by_data = {key_of(as_data(each)): each for each in said}

    def one(value: Any) -> Any:
        return value if key_of(value) in same else by_data.get(key_of(as_data(value)), value)

    return [one(each) for each in shown] if isinstance(shown, list) else one(shown)


def brief(shown: Any) -> Any:
    """What a view shows, with a `Ref` in the place of each thing that is shown inside."""
    if isinstance(shown, list):
        return [brief(each) for each in shown]
    if isinstance(shown, dict):
        id = shown.get("id")
        return Ref(id) if isinstance(id, str) and id else {name: brief(each) for name, each in shown.items()}
    return shown


def named(target: Any) -> Any:
    """A target of a pointer as a value: a thing as a `Ref`."""
    return Ref(target.entity) if isinstance(target, HyperView | Reference) else target


def as_data(value: Any) -> Any:
    """A value as data: a thing is its id, a CID its text."""
    match value:
        case Ref():
            return value.id
        case Cid():
            return str(value)
        case list():
            return [as_data(each) for each in value]
        case dict():
            return {name: as_data(each) for name, each in value.items()}
    return value


def things_in(shown: Any) -> set[Entity]:
    """The things in what is shown."""
    match shown:
        case Ref():
            return {shown.entity}
        case list():
            return {thing for each in shown for thing in things_in(each)}
        case dict():
            return {thing for each in shown.values() for thing in things_in(each)}
    return set()


def show_shown(value: Any, labels: Mapping[Entity, str] = MappingProxyType({})) -> str:
    """A value in a line of text, things as they are called."""
    match value:
        case None:
            return "nothing"
        case Ref():
            return f"→ {labels.get(value.entity, value.id):.60}"
        case list():
            some = ", ".join(show_shown(each, labels) for each in value[:SHOWN_MAX])
            return f"[{some}{', …' if len(value) > SHOWN_MAX else ''}]"
        case dict():
            return ", ".join(f"{name}: {show_shown(each, labels)}" for name, each in list(value.items())[:SHOWN_MAX])
    return f"{show(value):.80}"

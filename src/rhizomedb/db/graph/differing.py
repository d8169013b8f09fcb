"""What differs between two readers of what they show of things: two moments, two authors, two policies, two copies.

Both sides are shown by one schema, so what differs is what is said or chosen, not how it is shown. Views are compared by path:
a thing that both sides show inside at the same place is compared property by property, each thing once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget, Meter, budget_of
from rhizomedb.db.graph.choosing import Choosing, choosing
from rhizomedb.db.graph.disagreement import (
    SaidBy,
    as_data,
    as_said,
    entities_of,
    named,
    properties_of,
    said_by,
    show_shown,
    shown_of,
    things_in,
)
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.finding import AT_ONCE_MAX, AT_ONCE_MIN, check_limit, is_shown, things_of
from rhizomedb.db.graph.hyperedges import RANK, Thing, at_one_moment, check_list, set_of
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for, views_of
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.hyper.resolution import POLICIES, Choose, key_of, said_of
from rhizomedb.hyper.schema import HyperSchema, Schemas

if TYPE_CHECKING:
    from rhizomedb.db.reader import Moment, Reader

SHOWN_MAX: Final = 50
"""How many differences a text lists."""

Policy: TypeAlias = "str | Choose | tuple[str | Choose, str | Choose]"
Policies: TypeAlias = (
    "Mapping[str, str | Choose] | tuple[Mapping[str, str | Choose] | None, Mapping[str, str | Choose] | None] | None"
)
"""A policy for both sides, or a pair: that of before, and that of after."""


@dataclass(frozen=True, slots=True)
class ViewDifference:
    """A property of a thing that is shown otherwise before and after, and the hyperedges why.

    `said_before` say what was shown, `said_after` what is; `taken_back` are the negations for which something that was
    shown is not any more. A thing that is shown inside is a `Ref`, nothing is None. `path` is how the thing was reached: the
    id of one that was asked for, and the properties from there on.
    """

    entity: Entity
    id: str
    label: str
    schema: str
    property: str
    path: tuple[str, ...]
    before: Any
    after: Any
    said_before: tuple[SaidBy, ...]
    said_after: tuple[SaidBy, ...]
    taken_back: tuple[SaidBy, ...] = ()
    labels: Mapping[Entity, str] = field(default_factory=dict, compare=False)
    """What the things before and after are called."""

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "id": self.id,
            "schema": self.schema,
            "property": self.property,
            "path": list(self.path),
            "before": as_data(self.before),
            "after": as_data(self.after),
            "said_before": [each.as_dict() for each in self.said_before],
            "said_after": [each.as_dict() for each in self.said_after],
            "taken_back": [each.as_dict() for each in self.taken_back],
        }

    def __str__(self) -> str:
        reached = f" (from {' · '.join(self.path)})" if len(self.path) > 1 else ""
        before, after = (
            " ".join([show_shown(value, self.labels), *([f"({', '.join(map(str, said))})"] if said else [])])
            for value, said in ((self.before, self.said_before), (self.after, self.said_after))
        )
        away = f"   taken back by {', '.join(map(str, self.taken_back))}" if self.taken_back else ""
        return f"{self.label} · {self.property}{reached}   {before}  ⇒  {after}{away}"


class ViewDiff(Sequence[ViewDifference]):
    """What differs, thing by thing: all, or as many as were asked for where there are `more`. Nothing is false."""

    def __init__(self, differences: Iterable[ViewDifference], more: bool = False) -> None:
        self._differences = tuple(differences)
        self.more = more

    def __getitem__(self, index: Any) -> Any:
        return self._differences[index]

    def __len__(self) -> int:
        return len(self._differences)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per difference."""
        return [difference.as_dict() for difference in self._differences]

    def __repr__(self) -> str:
        head = f"{len(self):,} difference{'' if len(self) == 1 else 's'}{', and there are more' if self.more else ''}"
        more = [f"… {len(self) - SHOWN_MAX:,} more"] if len(self) > SHOWN_MAX else []
        return "\n".join([head, *(f"  {difference}" for difference in self._differences[:SHOWN_MAX]), *more])


def diff(
    before: Reader,
    after: Reader,
    things: Thing | Iterable[Thing] | None = None,
    *,
    schema: Wanted,
    properties: str | Iterable[str] | None = None,
    policy: Policy = "latest",
    policies: Policies = None,
    limit: int | None = None,
    schemas: Iterable[HyperSchema] = (),
    trusted: Iterable[str] | None = None,
    budget: Budget | None = None,
) -> ViewDiff:
    """What two readers show differently of some things, or of all things of a schema: property, before, after, and why.

        rhizomedb.diff(db.as_of("yesterday"), db, schema="Movie")
        rhizomedb.diff(db.by("ann"), db.by("ben"), "matrix", schema="Movie")
        rhizomedb.diff(mine, theirs, schema="Movie", policy=("latest", "trusted:ann"))

    Readers are connections and databases, of one file or of two. A policy, or a mapping of policies, may be a pair: that of
    before and that of after. The schema is that of `after` if it is known there, else that of `before`. Views inside are
    compared by path, each thing once. See `Database.diff` for what is asked of one database.
    """
    from rhizomedb.db.reader import Reader

    for side in (before, after):
        if not isinstance(side, Reader):
            raise RequestError(
                "db.usage",
                f"{side!r:.60} is no connection or database",
                fix='rhizomedb.diff(db.as_of("yesterday"), db, schema="Movie")',
            )
    try:
        known, id = schemas_for(after, schema, schemas)
    except RequestError as error:
        if error.code != "hyper.unknown-schema":
            raise
        known, id = schemas_for(before, schema, schemas)
    resolving = after if things is None else _who_knows(before, after)
    named = None if things is None else entities_of(resolving, things)
    return differences(before, after, named, known, id, properties, policy, policies, limit, trusted, budget)


def _who_knows(before: Reader, after: Reader) -> Reader:
    """The reader by which names are read: that of the later side, for it knows more."""
    return after if after.cut.authors is None else before


def differences(
    before: Reader,
    after: Reader,
    things: Sequence[Entity] | None,
    known: Schemas,
    id: str,
    properties: str | Iterable[str] | None,
    policy: Policy,
    policies: Policies,
    limit: int | None,
    trusted: Iterable[str] | None,
    budget: Budget | None,
) -> ViewDiff:
    """See `diff`: of things that are known, by schemas that are."""
    check_limit(limit)
    is_one = before is after
    before = at_one_moment(before)
    after = before if is_one else at_one_moment(after)
    allowed = budget_of(budget)
    meter = allowed.meter()
    names = None if trusted is None else list(check_list(trusted))
    sides = [
        _Side(reader, known, id, choosing(reader, one, some), set_of(names, reader.author_key))
        for reader, one, some in zip((before, after), _pair(policy, str), _pair(policies, Mapping), strict=True)
    ]
    wanted = None if properties is None else properties_of(known, id, properties)
    is_asked = things is not None
    if things is None:
        every = [things_of(reader, known, id, allowed) for reader in (before, after)]
        things = sorted({*every[0], *every[1]})
    comparing = _Comparing(sides[0], sides[1], wanted, meter)
    found = comparing.all(things, is_asked)
    some = list(islice(found, None if limit is None else limit + 1))
    more = limit is not None and len(some) > limit
    return ViewDiff(_explained(some[:limit], before, after, set_of(names, after.author_key)), more)


def _pair(given: Any, kind: type[Any]) -> tuple[Any, Any]:
    """What is given for both sides, or for each."""
    if not isinstance(given, tuple):
        return given, given
    if len(given) != 2:
        raise RequestError(
            "db.usage", f"{given!r:.60} is no pair: one for before, one for after", fix='policy=("latest", "first")'
        )
    return given


class _Side:
    """One of the two readers, and how it shows things."""

    def __init__(
        self, reader: Reader, known: Schemas, id: str, chosen: Choosing, trusted: frozenset[bytes] | None
    ) -> None:
        self.reader = reader
        self.chosen = chosen
        self._known = known
        self._id = id
        self._trusted = trusted
        self.name = reader._authors().name

    def views(self, things: Sequence[Entity]) -> list[HyperView]:
        """The views of some things."""
        return views_of(self.reader, self._known, self._id, things, self._trusted)


class _Comparing:
    """Compares the views of two sides."""

    def __init__(self, before: _Side, after: _Side, wanted: frozenset[str] | None, meter: Meter) -> None:
        self._before = before
        self._after = after
        self._wanted = wanted
        self._meter = meter
        self._seen: set[tuple[str, Entity]] = set()

    def all(self, things: Iterable[Entity], is_asked: bool) -> Iterator[ViewDifference]:
        """The differences of some things; where these were not asked for, of those that one side shows as the schema's."""
        waiting, at_once = iter(things), AT_ONCE_MIN
        while some := list(islice(waiting, at_once)):
            for before, after in zip(self._before.views(some), self._after.views(some), strict=True):
                self._meter.spend(1)
                if is_asked or is_shown(before) or is_shown(after):
                    yield from self._thing(before, after)
            self._meter.check()
            at_once = min(2 * at_once, AT_ONCE_MAX)

    def _thing(self, before: HyperView, after: HyperView) -> Iterator[ViewDifference]:
        waiting: list[tuple[HyperView, HyperView, tuple[str, ...]]] = [(before, after, (before.id,))]
        while waiting:
            before, after, path = waiting.pop(0)
            key = before.schema.id, before.entity
            if key in self._seen:
                continue
            self._seen.add(key)
            for property in sorted({*before.properties, *after.properties}):
                self._meter.spend(len(before[property]) + len(after[property]))
                if self._is_same(before, after, property):
                    continue
                shown = [
                    shown_of(view, property, side.chosen)
                    for side, view in ((self._before, before), (self._after, after))
                ]
                if key_of(shown[0]) != key_of(shown[1]) and (self._wanted is None or property in self._wanted):
                    yield self._difference(before, after, property, path, shown[0], shown[1])
                inside = things_in(shown[0]) & things_in(shown[1])
                there = _inside(after, property)
                waiting += [
                    (view, there[each], (*path, property))
                    for each, view in _inside(before, property).items()
                    if each in there and view.entity in inside
                ]

    def _is_same(self, before: HyperView, after: HyperView, property: str) -> bool:
        """Whether both sides show the same without a look at it: values of the same hyperedges, chosen by the same policy."""
        one, other = self._before.chosen, self._after.chosen
        return (
            not before.schema.nests
            and one.choose is other.choose
            and one.choose in POLICIES.values()
            and not (one.special or other.special)
            and [entry.edge for entry in before[property]] == [entry.edge for entry in after[property]]
        )

    def _difference(
        self, before: HyperView, after: HyperView, property: str, path: tuple[str, ...], was: Any, now: Any
    ) -> ViewDifference:
        return ViewDifference(
            before.entity,
            before.id,
            before.id,
            before.schema.name,
            property,
            path,
            as_said(was, [each.value for each in said_of(before, property, named)]),
            as_said(now, [each.value for each in said_of(after, property, named)]),
            _why(self._before, before, property, was),
            _why(self._after, after, property, now),
        )


def _inside(view: HyperView, property: str) -> dict[tuple[str, Entity], HyperView]:
    """The views inside a property of a view."""
    return {
        (target.schema.id, target.entity): target
        for entry in view[property]
        for _, target in entry.targets
        if isinstance(target, HyperView)
    }


def _why(side: _Side, view: HyperView, property: str, shown: Any) -> tuple[SaidBy, ...]:
    """Who says what is shown; all who say anything, where a policy shows what nobody says."""
    if shown is None:
        return ()
    said = said_of(view, property, named)
    # As data: a thing that nothing shows inside is its id where it is shown, and a thing where it is said.
    keys = {key_of(as_data(each)) for each in (shown if isinstance(shown, list) else [shown])}
    those = [each for each in said if key_of(as_data(each.value)) in keys] or said
    return tuple(dict.fromkeys(said_by(each.edge, side.name) for each in those))


def _explained(
    found: Sequence[ViewDifference], before: Reader, after: Reader, trusted: frozenset[bytes] | None
) -> Iterator[ViewDifference]:
    """Differences with what people call the things, and with the negations that take back what was shown."""
    things = {each.entity for each in found}.union(*(things_in([each.before, each.after]) for each in found))
    labels = {**before.labels(things), **after.labels(things)}
    authors: dict[Entity, set[bytes]] = {}
    for said in (said for each in found for said in each.said_before):
        authors.setdefault(said.edge.edge, set()).add(said.edge.author)
    by: dict[Entity, list[SaidBy]] = {}
    name = after._authors().name
    for edge in _negations(after, authors.keys(), trusted):
        for target in edge.negates:
            if target in authors and (trusted is None or edge.author in trusted | authors[target]):
                by.setdefault(target, []).append(said_by(edge, name))
    for each in found:
        negations = [negation for said in each.said_before for negation in by.get(said.edge.edge, ())]
        yield replace(each, label=labels[each.entity], labels=labels, taken_back=tuple(dict.fromkeys(negations)))


def _negations(reader: Reader, edges: Collection[Entity], trusted: frozenset[bytes] | None) -> list[Hyperedge]:
    """The negations of those of some edges that are taken back, which are not taken back themselves, oldest first."""
    away = negated_among(reader._store, reader.cut, trusted, edges)
    gone = [edge for edge in edges if edge in away]
    if not gone:
        return []
    source = edge_source(reader._store, reader.cut)
    found = [edge for edge in source.read(source.at_targets(gone)) if edge.negates]
    moot = negated_among(reader._store, reader.cut, trusted, [edge.edge for edge in found])
    return sorted((edge for edge in found if edge.edge not in moot), key=RANK)


# -- of one database ---------------------------------------------------------------------------------------------------


def diff_of(
    reader: Reader,
    things: Thing | Iterable[Thing] | None,
    schema: Wanted,
    properties: str | Iterable[str] | None,
    moments: tuple[Moment | None, Moment | None] | None,
    epochs: tuple[int | None, int | None] | None,
    authors: tuple[str | Iterable[str], str | Iterable[str]] | None,
    policy: Policy,
    policies: Policies,
    limit: int | None,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
    budget: Budget | None,
) -> ViewDiff:
    """See `Viewing.diff`."""
    pairs = {"moments": moments, "epochs": epochs, "authors": authors}
    for name, pair in pairs.items():
        if pair is not None and not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise RequestError("db.usage", f"`{name}` is a pair, not {pair!r:.60}", fix=_PAIRS[name])
    if not any(pairs.values()) and not isinstance(policy, tuple) and not isinstance(policies, tuple):
        raise RequestError(
            "db.usage", "the two sides are the same: nothing says what differs between them", fix=_PAIRS["moments"]
        )
    known, id = schemas_for(reader, schema, schemas)
    entities = None if things is None else entities_of(reader, things)
    sides: list[Reader] = []
    for n in range(2):
        side: Reader = reader
        if moments is not None and moments[n] is not None:
            side = side.as_of(moments[n])  # type: ignore[arg-type]  # it is not None
        if epochs is not None and epochs[n] is not None:
            side = side.at_epoch(epochs[n])  # type: ignore[arg-type]  # it is not None
        if authors is not None and authors[n] is not None:
            some = authors[n]
            side = side.by(*([some] if isinstance(some, str) else check_list(some)))
        sides.append(side)
    return differences(sides[0], sides[1], entities, known, id, properties, policy, policies, limit, trusted, budget)


_PAIRS: Final = {
    "moments": 'moments=("yesterday", "now")',
    "epochs": "epochs=(1, 2)",
    "authors": 'authors=("ann", "ben")',
}

"""Things by constraint: candidates from the index, their views, and of these the ones that meet it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rhizomedb.budget import Budget, Meter, budget_of
from rhizomedb.db.graph.candidates import candidates
from rhizomedb.db.graph.choosing import Choosing, choosing
from rhizomedb.db.graph.constraint import Constraint, Step, constraints_of
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import at_one_moment, meant, set_of
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for, views_of
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.instance import MissingRequired, instance_of
from rhizomedb.hyper.pointer import NEGATES
from rhizomedb.hyper.resolution import Choose
from rhizomedb.hyper.schema import HyperSchema, Property, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA
from rhizomedb.hyper.typed import typed

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader

AT_ONCE_MIN: Final = 32
AT_ONCE_MAX: Final = 1_000
"""How many views are derived together: few at first, where few are asked for."""


def where(
    reader: Reader,
    schema: Wanted,
    conditions: Mapping[str, object] | None,
    more: Mapping[str, object],
    policy: str | Choose,
    policies: Mapping[str, str | Choose] | None,
    limit: int | None,
    views: bool,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
    budget: Budget | None,
) -> list[Any]:
    """See `Viewing.where`."""
    check_limit(limit)
    reader = at_one_moment(reader)
    allowed, chosen = budget_of(budget), choosing(reader, policy, policies)
    known, id = schemas_for(reader, schema, schemas)
    cls = schema if isinstance(schema, type) else None
    constraints = constraints_of(
        known,
        id,
        cls,
        conditions,
        more,
        reader.attribute_names,
        partial(_contexts, reader),
        partial(meant, reader, called=True),
    )
    meter = allowed.meter()
    made_up = _made_up(policy, policies or {})
    things = candidates(reader, known[id], constraints, made_up, allowed)
    found = _matching(things_shown(reader, known, id, things, trusted, meter), constraints, chosen)
    if views:
        return [view for view, _ in islice(found, limit)]
    if cls is None:
        return [shown for _, shown in islice(found, limit)]
    return list(islice(_instances(cls, (shown for _, shown in found)), limit))


def _contexts(reader: Reader) -> list[str]:
    """The contexts under which anything shows up."""
    source = edge_source(reader._store, reader.cut)
    return [each for each in reader.attribute_names() if isinstance(each, str) and source.in_contexts([each])]


def check_limit(limit: object) -> None:
    """Refuse what is no number of things."""
    if limit is not None and (type(limit) is not int or limit < 0):
        raise RequestError("db.usage", f"a limit is a whole number, not {limit!r:.60}", fix="limit=20")


def things_of(reader: Reader, known: Schemas, id: str, budget: Budget) -> list[Entity]:
    """Every thing that a schema may show, in the order of their ids."""
    return candidates(reader, known[id], (), lambda step: False, budget)


def things_shown(
    reader: Reader,
    known: Schemas,
    id: str,
    things: Iterable[Entity],
    trusted: Iterable[str] | None,
    meter: Meter,
) -> Iterator[HyperView]:
    """The views of things that are of a schema: something shows up in them, and they lack nothing that it requires."""
    believed = set_of(trusted, reader.author_key)
    waiting, at_once = iter(things), AT_ONCE_MIN
    while some := list(islice(waiting, at_once)):
        for view in views_of(reader, known, id, some, believed):
            meter.spend(1 + sum(map(len, view.properties.values())))
            if is_shown(view):
                yield view
        meter.check()
        at_once = min(2 * at_once, AT_ONCE_MAX)


def is_shown(view: HyperView) -> bool:
    """Whether a thing is of the schema that shows it: it lacks nothing, and not only schemas and negations speak of it."""
    return not view.missing() and any(
        all(pointer.role not in (NEGATES, SCHEMA) for pointer in entry.edge.pointers)
        for entries in view.properties.values()
        for entry in entries
    )


def _matching(
    views: Iterable[HyperView], constraints: list[Constraint], chosen: Choosing
) -> Iterator[tuple[HyperView, dict[str, Any]]]:
    for view in views:
        shown = chosen.shown(view)
        if all(each.holds(shown) for each in constraints):
            yield view, shown


def _instances(cls: type[Any], shown: Iterable[dict[str, Any]]) -> Iterator[Any]:
    """The instances that can be made: what lacks something is none of the class."""
    of = typed(cls)
    for each in shown:
        try:
            yield instance_of(of, each)
        except MissingRequired:
            continue


def _made_up(policy: str | Choose, policies: Mapping[str, str | Choose]) -> Any:
    """Whether the policy of a step may show what nobody says."""

    def makes_up(step: Step) -> bool:
        named = policies.get(f"{step.schema.name}.{step.context}", policies.get(step.context))
        if named is None:
            if step.schema.properties.get(step.context, Property()).many:
                return False
            named = policy
        return not isinstance(named, str) or named == "average"

    return makes_up

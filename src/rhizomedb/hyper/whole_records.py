"""Whole records of HyperViews: properties that belong together come from one hyperedge or one author, or are not shown.

A policy chooses among records as among values: each record is one thing that is said, as a dictionary by property.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rhizomedb.crdt.together import Together
from rhizomedb.errors import RequestError
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.resolution import NOTHING, Choose, Said, said_of


def shown_together(
    view: HyperView, plain: Callable[[Any], Any], groups: Sequence[Together], choose: Choose
) -> dict[str, Any]:
    """What is shown of the properties of a view that belong together; `NOTHING` where the chosen record says nothing of one."""
    shown: dict[str, Any] = {}
    for group in groups:
        names = {str(name) for name in group.names}
        of_view = [p for p in view.properties if p in names or f"{view.schema.name}.{p}" in names]
        records: dict[object, dict[str, list[Said]]] = {}
        for property in of_view:
            for each in said_of(view, property, plain):
                # One who passes on what others said is not the author of one record of it all.
                author = each.edge.author, each.edge.claimed_author
                source = each.edge.delta if group.of == "delta" else author
                records.setdefault(source, {}).setdefault(property, []).append(each)
        chosen = _chosen([_record(view, record) for record in records.values()], choose)
        shown.update({property: chosen.get(property, NOTHING) for property in of_view})
    return shown


def _record(view: HyperView, said: dict[str, list[Said]]) -> Said:
    """What one hyperedge or author says, as one value: of each property the latest, of one that has many all."""
    values: dict[str, Any] = {}
    for property, some in said.items():
        expected = view.schema.properties.get(property)
        has_many = expected is not None and expected.many
        once = {each.key: each.value for each in some}
        values[property] = list(once.values()) if has_many else max(some, key=_rank).value
    return Said(values, max((each for some in said.values() for each in some), key=_rank).edge)


def _chosen(records: Sequence[Said], choose: Choose) -> dict[str, Any]:
    if not records:
        return {}
    chosen = choose(sorted(records, key=_rank))
    for each in records:
        if chosen is each.value:
            found: dict[str, Any] = chosen
            return found
    raise RequestError(
        "db.usage",
        f"{chosen!r:.60} is none of the records of what belongs together",
        fix="a policy that gives one of the values that it is given",
    )


def _rank(said: Said) -> tuple[int, int, bytes]:
    return said.edge.rank

"""HyperViews by a walk: what the program of a schema derives, by look-ups alone.

A view that is asked for once looks up what shows up under a thing, reads that, and goes on to the things that the schema
nests. It is what the program says (`hyperview.program_of`) without checking, planning and building one; a law holds the two
to each other.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from rhizomedb.errors import BudgetExceeded
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import Entry, HyperView, entries_of
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.hyper.schema import Schemas

Under: TypeAlias = Callable[[Entity], Iterable[tuple[str, Any]]]
"""The contexts of a thing, each with a name of what shows up there."""

Read: TypeAlias = Callable[[list[Any]], list[Hyperedge]]
"""What the hyperedges of some names say."""


Away: TypeAlias = Callable[[Collection[Entity]], Container[Entity]]
"""Which of some edges are taken back, and maybe others."""


EDGES_MAX: Final = 5_000_000
"""How many hyperedges the views that are asked for together may show."""


def walk(
    schemas: Schemas, id: str, entities: Sequence[Entity], under: Under, read: Read, away: Away, *, mark: bool = False
) -> list[HyperView]:
    """The views of some things by a schema; what is `away` is left out, or marked. More than `EDGES_MAX` hyperedges are `budget.facts`.

    Each view is made once, however many ways lead to it, and read level by level: as often as schemas nest in each other.
    """
    # Many objects are made that all stay: to look for rings among them again and again took a fifth of the time.
    was_enabled = gc.isenabled()
    try:
        gc.disable()
        return _walked(schemas, id, entities, under, read, away, mark)
    finally:
        if was_enabled:
            gc.enable()


def _walked(
    schemas: Schemas, id: str, entities: Sequence[Entity], under: Under, read: Read, away: Away, mark: bool
) -> list[HyperView]:
    schemas.reached(id)  # what leads nowhere is told, whatever there is to be shown
    views: dict[tuple[str, Entity], tuple[HyperView, dict[str, tuple[Entry, ...]]]] = {}
    waiting: list[tuple[str, Entity]] = []
    left = EDGES_MAX

    def view_of(key: tuple[str, Entity]) -> HyperView:
        made = views.get(key)
        if made is None:
            properties: dict[str, tuple[Entry, ...]] = {}
            made = views[key] = HyperView(key[1], schemas[key[0]], properties), properties
            waiting.append(key)
        return made[0]

    asked = [view_of((id, entity)) for entity in entities]
    while waiting:
        level = [(key, _by_property(under(key[1]), schemas[key[0]].selects)) for key in waiting]
        waiting.clear()
        names = list({name: None for _, shown in level for found in shown.values() for name in found})
        left -= len(names)
        if left < 0:
            raise BudgetExceeded(
                "budget.facts",
                f"the views show more than {EDGES_MAX:,} hyperedges",
                fix="ask for fewer things, or by a schema that `selects` less",
            )
        edges = dict(zip(names, read(names), strict=True))
        negated = away({edge.edge for edge in edges.values()})
        for key, shown in level:
            view, properties = views[key]
            for property, found in sorted(shown.items()):
                here = _marked(map(edges.__getitem__, found), negated, mark)
                entries = entries_of(here, key[1], property, view.schema, view_of)
                if entries:
                    properties[property] = entries
    return asked


def _marked(edges: Iterable[Hyperedge], negated: Container[Entity], mark: bool) -> Iterator[Hyperedge]:
    for edge in edges:
        if edge.edge not in negated:
            yield edge
        elif mark:
            yield edge.as_negated()


def _by_property(shown: Iterable[tuple[str, Any]], selects: frozenset[str] | None) -> dict[str, dict[Any, None]]:
    found: dict[str, dict[Any, None]] = {}
    for property, name in shown:
        if selects is None or property in selects:
            found.setdefault(property, {})[name] = None
    return found

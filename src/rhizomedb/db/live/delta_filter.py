"""Which deltas a subscriber is told of: by the hyperedge that one says, by its facts, by who says it and when.

Every filter names one part by which an index finds it (`keys`), so that a delta is looked at by those alone whom it may
concern; the rest of the filter is looked at then (`match`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any, Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db.graph.hyperedges import EdgeFilter, Taken
from rhizomedb.db.graph.negations import Fates, by_walk
from rhizomedb.db.live.cursor import Place
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Cell, Entity, exact
from rhizomedb.hyper.pointer import Hyperedge, hyperedge_of
from rhizomedb.store.store import Cut, Store

Key: TypeAlias = tuple[str, Any]
"""A part of a filter, and one of the values that it lists."""

EVERY: Final[Key] = ("every", None)
"""Where filters are found that list nothing to be found by."""


class Came:
    """A delta that came, with what filters ask of it, each worked out when it is first asked.

    What depends on others, such as whether it is taken back, is what was so at the end of its epoch: whenever it is
    read, the answer is the same.
    """

    def __init__(
        self, store: Store, place: Place, delta: Delta, fates: dict[frozenset[bytes] | None, Fates] | None = None
    ) -> None:
        """`fates` is what was found of its epoch, by who is trusted, and learns what this finds."""
        self._store = store
        self.place = place
        self.delta = delta
        self._fates = {} if fates is None else fates
        self._negated: dict[frozenset[bytes] | None, bool] = {}

    @cached_property
    def edge(self) -> Hyperedge | None:
        """The hyperedge that it says, if it says one."""
        return hyperedge_of(self.delta)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What it says."""
        return tuple(self.delta.facts)

    @cached_property
    def attributes(self) -> tuple[frozenset[Cell], ...]:
        """What each fact is about: its attribute, and of one that takes back those of what it takes back."""
        return tuple(frozenset(self._attributes(fact)) for fact in self.facts)

    def is_negated(self, trusted: frozenset[bytes] | None) -> bool:
        """Whether the hyperedge was taken back by the end of the epoch in which it came."""
        if trusted not in self._negated:
            self._negated[trusted] = self._look_for_negation(trusted)
        return self._negated[trusted]

    def _look_for_negation(self, trusted: frozenset[bytes] | None) -> bool:
        edge = self.delta.edge
        if edge is None:
            return False
        known = self._fates.setdefault(trusted, {})
        return edge in by_walk(self._store, Cut(epoch=self.place.epoch), trusted, [edge], known)

    def _attributes(self, fact: Fact) -> Iterator[Cell]:
        yield exact(fact.attribute)
        if fact.attribute == RETRACTS:
            cut = Cut(epoch=self.place.epoch)
            for cause in fact.causes:
                yield from (row[2] for row in self._store.scan("fact", {"$cid": cause}, cut))

    def keys(self, parts: Collection[str]) -> Iterator[Key]:
        """By what the filters that it may concern are found, as far as any is found by these parts."""
        yield EVERY
        delta, edge = self.delta, self.edge if delta_has_edge(self.delta) else None
        if "authors" in parts:
            yield "authors", delta.author
        if "systems" in parts:
            yield "systems", delta.system
        if edge is not None:
            if "ids" in parts:
                yield "ids", edge.edge
            if "claimed_authors" in parts and edge.claimed_author is not None:
                yield "claimed_authors", edge.claimed_author
            if "targets" in parts or "contexts" in parts:
                references = list(edge.references)
                yield from {("targets", each.entity) for each in references}
                yield from {("contexts", each.context) for each in references}
        if "entities" in parts:
            yield from {("entities", fact.entity) for fact in self.facts}
        if "attributes" in parts:
            yield from {("attributes", attribute) for some in self.attributes for attribute in some}


def delta_has_edge(delta: Delta) -> bool:
    """Whether a delta says a hyperedge: told without reading its facts."""
    return delta.edge is not None


@dataclass(frozen=True, slots=True)
class DeltaFilter:
    """Which deltas are meant: each part that is given narrows, and in a part one of what it lists is enough.

    `None` is no part; an empty list matches nothing. `edge` holds the parts that hyperedges have, of which author, system
    and time are any delta's; with another of them, or a predicate, only hyperedges are meant. An entity and an attribute
    have to be those of one fact.
    """

    edge: EdgeFilter
    entities: frozenset[Entity] | None = None
    attributes: frozenset[Cell] | None = None
    negated: Taken = "exclude"
    trusted: frozenset[bytes] | None = None
    predicate: Callable[[Hyperedge], bool] | None = None

    @property
    def is_of_edges(self) -> bool:
        """Whether only hyperedges are meant."""
        edge = self.edge
        return (
            any(part is not None for part in (edge.ids, edge.targets, edge.contexts, edge.claimed_authors))
            or self.predicate is not None
            or self.negated == "only"
        )

    def keys(self) -> list[Key]:
        """By what an index finds it: all that one part lists, that of which there are the fewest of, as a rule."""
        edge = self.edge
        parts = (
            ("ids", edge.ids),
            ("targets", edge.targets),
            ("entities", self.entities),
            ("contexts", edge.contexts),
            ("attributes", self.attributes),
            ("claimed_authors", edge.claimed_authors),
            ("authors", edge.authors),
            ("systems", edge.systems),
        )
        given = [(part, values) for part, values in parts if values is not None]
        if not given:
            return [EVERY]
        part, values = given[0]
        return [(part, value) for value in values]

    def is_said_by(self, author: object, system: object, ms: Any) -> bool:
        """Whether a delta of this author, system and claimed time may be meant."""
        edge = self.edge
        return (
            (edge.authors is None or author in edge.authors)
            and (edge.systems is None or system in edge.systems)
            and (edge.since is None or ms >= edge.since)
            and (edge.until is None or ms <= edge.until)
        )

    def match(self, came: Came) -> tuple[Fact, ...] | None:
        """The facts of a delta that are meant, all of them where no entity or attribute is; None where it is not meant."""
        delta, edge = came.delta, self.edge
        if not self.is_said_by(delta.author, delta.system, delta.time.ms):
            return None
        if delta.edge is None:
            if self.is_of_edges:
                return None
        else:
            said = came.edge
            assert said is not None, "a delta with an edge says a hyperedge"
            if not edge.holds(said):
                return None
            if self.negated != "mark" and came.is_negated(self.trusted) is not (self.negated == "only"):
                return None
        facts = self._facts(came)
        if not facts or (self.predicate is not None and not self._holds(came)):
            return None
        return facts

    def shown(self, came: Came) -> Hyperedge | None:
        """The hyperedge as it is told: marked where it was taken back."""
        edge = came.edge
        if edge is None or self.negated == "exclude" or not came.is_negated(self.trusted):
            return edge
        return edge.as_negated()

    def _holds(self, came: Came) -> bool:
        shown = self.shown(came)
        assert self.predicate is not None and shown is not None, "a predicate is about hyperedges"
        return self.predicate(shown)

    def _facts(self, came: Came) -> tuple[Fact, ...]:
        if self.entities is None and self.attributes is None:
            return came.facts
        found = came.facts
        if self.attributes is not None:
            about = came.attributes
            found = tuple(
                fact
                for fact, attributes in zip(found, about, strict=True)
                if not attributes.isdisjoint(self.attributes)
            )
        if self.entities is not None:
            found = tuple(fact for fact in found if fact.entity in self.entities)
        return found

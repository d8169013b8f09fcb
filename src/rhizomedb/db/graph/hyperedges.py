"""Hyperedges of a database: asked for by what stands in them and who says it, those that were taken back left out."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

from rhizomedb._record import dataclass
from rhizomedb.db.graph.edge_source import EdgeSource, Ids, edge_source
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.moment import to_ms
from rhizomedb.db.naming import Names
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Entity, check_entity
from rhizomedb.hyper.json_delta import UNREADABLE, entity_of, id_of
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.store.store import Cut, Store

R = TypeVar("R")

Taken: TypeAlias = Literal["exclude", "mark", "only"]
"""What becomes of hyperedges that are taken back: left out, given with `is_negated` set, or given alone."""

Thing: TypeAlias = Entity | str
"""A thing: its entity, its id as text, or a name that means it."""

Moment: TypeAlias = int | float | str | datetime


@dataclass(frozen=True, slots=True)
class EdgeFilter:
    """Which hyperedges are meant: each part that is given narrows, and in a part one of what it lists is enough.

    `None` is no part; an empty list matches nothing. `targets` and `contexts` may be met by different pointers. `since`
    and `until` are milliseconds of claimed time, both included.
    """

    ids: frozenset[Entity] | None = None
    targets: frozenset[Entity] | None = None
    contexts: frozenset[str] | None = None
    authors: frozenset[bytes] | None = None
    claimed_authors: frozenset[str] | None = None
    systems: frozenset[str] | None = None
    since: int | None = None
    until: int | None = None

    def holds(self, edge: Hyperedge) -> bool:
        """Whether a hyperedge is meant."""
        return (
            (self.ids is None or edge.edge in self.ids)
            and (self.authors is None or edge.author in self.authors)
            and (self.claimed_authors is None or edge.claimed_author in self.claimed_authors)
            and (self.systems is None or edge.system in self.systems)
            and (self.since is None or edge.time.ms >= self.since)
            and (self.until is None or edge.time.ms <= self.until)
            and (self.targets is None or any(each.entity in self.targets for each in edge.references))
            and (self.contexts is None or any(each.context in self.contexts for each in edge.references))
        )

    def within(self, cut: Cut) -> Cut:
        """What of a cut may be meant: who says a hyperedge and when is known before it is read."""
        after = None if self.since is None else self.since - 1  # a cut leaves out its beginning
        both = cut.authors is not None and self.authors is not None
        return replace(
            cut,
            since=max((each for each in (cut.since, after) if each is not None), default=None),
            until=min((each for each in (cut.until, self.until) if each is not None), default=None),
            authors=cut.authors & self.authors if both else self.authors if cut.authors is None else cut.authors,  # type: ignore[operator]  # both are there
        )

    def candidates(self, source: EdgeSource) -> tuple[Ids, EdgeFilter]:
        """The hyperedges that an index gives by one part, and what of this is still to be looked at."""
        if self.ids is not None:
            return source.of_edges(self.ids), replace(self, ids=None)
        if self.targets is not None:
            return source.at_targets(self.targets), replace(self, targets=None)
        if self.contexts is not None:
            return source.in_contexts(self.contexts), replace(self, contexts=None)
        return source.all(), self


ALL: Final = EdgeFilter()
RANK: Final = attrgetter("rank")


# -- asking -----------------------------------------------------------------------------------------------------------


class Asked(Protocol):
    """The reader that is asked."""

    _store: Store
    _clock: Callable[[], int]

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        ...

    def thing(self, thing: Thing) -> Entity:
        """The entity that is meant."""
        ...

    def is_known(self, entity: Entity) -> bool:
        """Whether anything is said of an entity, or names it."""
        ...

    def author_key(self, author: str) -> bytes:
        """The key of an author."""
        ...


def at_one_moment(reader: R) -> R:
    """A reader that stays where it is, whatever is said while a question is answered piece by piece."""
    snapshot: Callable[[], R] | None = getattr(reader, "snapshot", None)
    return reader if snapshot is None else snapshot()


def ask(
    reader: Asked,
    wanted: EdgeFilter,
    negated: Taken,
    trusted: Iterable[str] | None,
    limit: int | None,
    predicate: Callable[[Hyperedge], bool] | None,
) -> list[Hyperedge]:
    """The hyperedges that a filter means, oldest first; see `Hypergraph.hyperedges`."""
    _check(negated, limit)
    if predicate is not None and not callable(predicate):
        raise RequestError(
            "db.usage", f"{predicate!r:.60} cannot be called", fix="predicate=lambda edge: edge.system == 'laptop'"
        )
    cut = reader.cut
    source = edge_source(reader._store, wanted.within(cut))
    ids, rest = wanted.candidates(source)
    read = source.read(ids)
    found = _once(sorted(read if rest == ALL else filter(rest.holds, read), key=RANK))
    away = negated_among(reader._store, cut, set_of(trusted, reader.author_key), {edge.edge for edge in found})
    kept = (edge for edge in _sifted(found, away, negated) if predicate is None or predicate(edge))
    return list(islice(kept, limit))


def edge_filter(
    reader: Asked,
    ids: Iterable[Thing] | None,
    targets: Iterable[Thing] | None,
    contexts: Iterable[str] | None,
    authors: Iterable[str] | None,
    claimed_authors: Iterable[str] | None,
    systems: Iterable[str] | None,
    since: Moment | None,
    until: Moment | None,
) -> EdgeFilter:
    """The filter that conditions come to, as people give them."""
    return EdgeFilter(
        set_of(ids, reader.thing),
        set_of(targets, reader.thing),
        set_of(contexts, _text),
        set_of(authors, reader.author_key),
        set_of(claimed_authors, _text),
        set_of(systems, _text),
        None if since is None else to_ms(since, reader._clock()),
        None if until is None else to_ms(until, reader._clock(), edge="end"),
    )


def meant(reader: Asked, thing: Thing, *, called: bool = False) -> Entity:
    """The entity that is meant; see `Hypergraph.thing`."""
    if not isinstance(thing, str):
        given: Any = thing  # whatever it is said to be
        if not isinstance(given, bytes) and isinstance(getattr(given, "edge", None), bytes):
            raise RequestError("db.usage", f"a {type(given).__name__} is no id, and has one", fix="said.edge")
        return check_entity(thing)
    entity = entity_of(thing)
    if reader.is_known(entity):
        return entity
    found = Names(reader._store, reader.cut).find(thing, called=called)
    if len(found) > 1:
        return Names(reader._store, reader.cut).entity(thing, called=called)  # the error that lists them
    return found[0] if found else entity


def labels(reader: Asked, things: Iterable[Entity]) -> dict[Entity, str]:
    """What to show for some things; see `Hypergraph.labels`."""
    ids = {thing: id_of(thing) for thing in things}
    others = [thing for thing, id in ids.items() if id.startswith(UNREADABLE)]
    names = Names(reader._store, reader.cut)
    names.learn(others)
    found = {thing: names.label(thing) for thing in others}
    edges = edge_source(reader._store, reader.cut)
    for thing, label in found.items():
        unnamed = f"0x{thing.hex()[:12]}"
        if label != unnamed and edges.of_edges([thing]):
            found[thing] = unnamed  # the title that a statement gives a film is not what the statement is called
    return {**ids, **found}


def _check(negated: str, limit: object) -> None:
    if negated not in get_args(Taken):
        raise RequestError(
            "db.usage",
            f"there is no negated={negated!r}",
            nearest=nearest_names(str(negated), get_args(Taken)),
            fix=" or ".join(map(repr, get_args(Taken))),
        )
    if limit is not None and (type(limit) is not int or limit < 0):
        raise RequestError("db.usage", f"a limit is a whole number, not {limit!r}", fix="limit=20")


def set_of(some: Iterable[Any] | None, each: Callable[[Any], Any]) -> frozenset[Any] | None:
    """Things of one kind that are given as a list; None where nothing is."""
    return None if some is None else frozenset(map(each, check_list(some)))


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise RequestError("db.usage", f"contexts, authors and systems are texts, not {given!r:.60}", fix='["cast"]')
    return given


def check_list(some: Any) -> Iterable[Any]:
    """What is given as a list, if it is one: a text is not, though it could be gone through."""
    if isinstance(some, str | bytes) or not isinstance(some, Iterable):
        raise RequestError("db.usage", f"{some!r:.60} is one, where a list is wanted", fix=f"[{some!r:.60}]")
    return some


def _once(edges: Iterable[Hyperedge]) -> list[Hyperedge]:
    """The same statement once, though several may have passed it on."""
    edges = list(edges)
    if len({edge.edge for edge in edges}) == len(edges):
        return edges
    found: dict[object, Hyperedge] = {}
    for edge in edges:
        pointers = tuple(pointer.key for pointer in edge.pointers)
        said = (edge.edge, pointers, edge.time, edge.system, edge.claimed_author)
        # Whoever signs says it himself, unless it names its author: then it is one statement that was passed on.
        found.setdefault(said if edge.claimed_author is not None else edge.delta, edge)
    return list(found.values())


def _sifted(edges: Iterable[Hyperedge], away: Container[Entity], negated: Taken) -> Iterator[Hyperedge]:
    for edge in edges:
        is_negated = edge.edge in away
        if is_negated is (negated == "only") or negated == "mark":
            yield edge.as_negated() if is_negated else edge


def show_id(id: Thing) -> str:
    """An id for a message or a table: as the text that it is, else in hexadecimal."""
    return f"{id if isinstance(id, str) else id_of(id).removeprefix('rhizome:'):.60}"

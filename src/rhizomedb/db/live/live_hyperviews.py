"""HyperViews that are kept up to date: what is said changes what it touches, and the rest stays as it was made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from operator import attrgetter, itemgetter
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from rhizomedb.db.graph.edge_source import EdgeSource, beginnings, edge_source
from rhizomedb.db.graph.hyperedges import Thing, check_list
from rhizomedb.errors import Error, RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import Entry, HyperView, entries_of
from rhizomedb.hyper.negated import Negated
from rhizomedb.hyper.pointer import NEGATES, Hyperedge
from rhizomedb.hyper.schema import Schemas
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.db.live.open_views import OpenViews

Key = tuple[str, Entity]
"""A view: its schema and its thing."""

Place = tuple[Key, str]
"""A property of a view."""

_RANK: Final = attrgetter("edge.rank")


class Standing(Protocol):
    """The connection whose views are kept."""

    _store: Store

    def _newest(self) -> int:
        """The newest epoch."""
        ...

    def _open_views(self) -> OpenViews:
        """All that is kept up to date."""
        ...

    def thing(self, thing: Thing) -> Entity:
        """The entity that is meant."""
        ...


class LiveHyperViews:
    """The views of some things by a schema, kept up to date; made by `Connection.live_hyperviews`.

        with db.live_hyperviews(["matrix"], "Movie") as live:
            live["matrix"]                          the view as it is now
            live.on_change(print)                   and whenever it becomes another, the things whose views those are

    To open it costs what the views show, and what is said what it changes, however much else there is. A view that nothing
    touched is the same object as before, and so is each part of one that was. It lives until it is closed, or its
    connection is.
    """

    def __init__(
        self, db: Standing, things: Iterable[Thing], schemas: Schemas, id: str, trusted: frozenset[bytes] | None
    ) -> None:
        self._db = db
        self._schemas = schemas
        self._id = id
        self._trusted = trusted
        self._entities = [db.thing(thing) for thing in check_list(things)]
        if not self._entities:
            raise RequestError("db.usage", "no thing is named whose view is to be kept", fix='["movie_matrix"]')
        schemas.reached(id)  # what leads nowhere is told
        self._asked: frozenset[Key] = frozenset((id, entity) for entity in self._entities)
        self._receivers: list[Callable[[list[Entity]], object]] = []
        self._is_following = self._is_closed = False
        self._begin()
        db._open_views().keep(self)

    def _begin(self) -> None:
        """Know nothing; what views show, and what of that is taken back, is read when one is asked for."""
        self._shown: dict[Key, dict[str, dict[bytes, Hyperedge]]] = {}
        self._shows: dict[Entity, set[str]] = {}
        self._places: dict[Entity, set[Place]] = {}
        self._entries: dict[Key, dict[str, tuple[Entry, ...]]] = {}
        self._views: dict[Key, HyperView] = {}
        self._holders: dict[Key, set[Place]] = {}
        self._leads: dict[Place, set[Key]] = {}
        self._grown: dict[Place, tuple[tuple[Entry, ...], list[Hyperedge]]] = {}
        self._beginnings = beginnings(self._db._store)
        self._epoch = self._db._newest()
        self._negated = Negated(self._trusted)
        self._asked_after: set[Entity] | None = set()  # whether these are taken back is known; None: of all it is
        self._reach = self._source().reach
        self._is_whole = True

    @property
    def epoch(self) -> int:
        """The epoch whose state the views have."""
        return self._epoch

    def __getitem__(self, thing: Thing) -> HyperView:
        """The view of one of the things, as it is now; `hyper.not-kept` for another one."""
        self._check_open()
        entity = self._db.thing(thing)
        if (self._id, entity) not in self._asked:
            raise RequestError(
                "hyper.not-kept", f"no view of {thing!r:.60} is kept here", fix="db.hyperview(thing, schema)"
            )
        self.follow()
        return self._made([(self._id, entity)])[0]

    def __iter__(self) -> Iterator[HyperView]:
        """The views of all things, in the order in which they were asked for."""
        self._check_open()
        self.follow()
        return iter(self._made([(self._id, entity) for entity in self._entities]))

    def __len__(self) -> int:
        return len(self._entities)

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"at epoch {self._epoch}"
        return f"<LiveHyperViews of {len(self)} by {self._schemas[self._id].name}, {state}>"

    def on_change(self, receiver: Callable[[list[Entity]], object]) -> Callable[[], None]:
        """Call a function with the things whose views became others, epoch by epoch; gives what stops that.

        One that raises is called no more, and nobody else notices; the log `rhizomedb` says why.
        """
        self._check_open()
        if not callable(receiver):
            raise RequestError("db.usage", f"{receiver!r:.60} cannot be called", fix="live.on_change(print)")
        self._receivers.append(receiver)
        self._made(sorted(self._asked))  # what was never looked at does not become another one
        return lambda: self._receivers.remove(receiver) if receiver in self._receivers else None

    def follow(self) -> None:
        """Take in what came since, epoch by epoch. Where a write is under way, that waits: it may be taken back yet."""
        store = self._db._store
        if self._is_following or self._is_closed or store.is_writing:
            return
        newest = self._db._newest()
        is_current = self._is_whole and self._beginnings == beginnings(store)
        if is_current and newest == self._epoch:
            return
        self._is_following = True
        try:
            if not is_current or newest < self._epoch:
                self._begin_anew()
                return
            source = edge_source(store, Cut(epoch=newest))
            came, self._reach = source.came(self._reach), source.reach
            for epoch, edges in groupby(came, itemgetter(0)):
                self._epoch = epoch
                self._tell(self._take([edge for _, edge in edges]))
            self._epoch = newest
        except BaseException:
            self._is_whole = False
            raise
        finally:
            self._is_following = False

    def close(self) -> None:
        """Free what is held. Safe to call twice."""
        self._is_closed = True
        self._db._open_views().forget(self)
        for held in (self._shown, self._shows, self._places, self._entries, self._views, self._holders, self._leads):
            held.clear()
        self._receivers.clear()

    def __enter__(self) -> LiveHyperViews:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- within -----------------------------------------------------------------------------------------------------

    def _committed(self) -> None:
        """Tell what this connection has written, if anybody wants to know. What goes wrong is said when a view is read."""
        if self._receivers:
            with suppress(Error):
                self.follow()

    def _check_open(self) -> None:
        if self._is_closed:
            raise RequestError(
                "db.view-closed", "these HyperViews are closed", fix="db.live_hyperviews(things, schema)"
            )

    def _source(self) -> EdgeSource:
        """The hyperedges of the epoch whose state the views have."""
        return edge_source(self._db._store, Cut(epoch=self._epoch))

    def _begin_anew(self) -> None:
        """Read everything again, where the numbers of the log stand for something else now, or a step was interrupted."""
        before = {key: self._views.get(key) for key in self._asked}
        self._begin()
        if self._receivers:
            now = dict(zip(sorted(self._asked), self._made(sorted(self._asked)), strict=True))
            self._tell({key for key in self._asked if before[key] != now[key]})

    def _take(self, edges: list[Hyperedge]) -> set[Key]:
        """Add what came to what is shown; which views that makes others."""
        changed: set[Key] = set()
        taken_back = self._ask_after([edge for edge in edges if any(edge.negates) or self._is_shown(edge)])
        for edge in edges:
            for reference in edge.references:
                property = reference.context
                if property is None:
                    continue
                for schema in self._shows.get(reference.entity, ()):
                    if self._schemas[schema].takes(property):
                        key = schema, reference.entity
                        if edge.rank[2] not in self._shown[key].get(property, ()):
                            self._add(key, property, edge)
                            self._forget((key, property), changed, edge)
        for negated in taken_back | self._negated.add(edges, self._authors_of):
            for place in self._places.get(negated, ()):
                self._forget(place, changed)
        return changed

    def _is_shown(self, edge: Hyperedge) -> bool:
        """Whether a hyperedge may show up in a view."""
        return any(reference.entity in self._shows for reference in edge.references)

    def _ask_after(self, edges: Collection[Hyperedge]) -> set[Entity]:
        """Learn what takes some edges back, what takes that back, and so on; which edges are other ones by that.

        Where more was asked after than there are negations, all of them are read instead.
        """
        if self._asked_after is None or not edges:
            return set()
        source, changed = self._source(), set[Entity]()
        waiting = {edge.edge for edge in edges} - self._asked_after
        while waiting:
            self._asked_after |= waiting
            if len(self._asked_after) > self._negations():
                self._asked_after = None
                return changed | self._negated.add(source.read(source.with_roles([NEGATES])), self._authors_of)
            said = source.read(dict.fromkeys(name for name, _ in source.negating(waiting)))
            changed |= self._negated.add(said, self._authors_of)
            waiting = {each.edge for each in said} - self._asked_after
        return changed

    def _negations(self) -> int:
        """About how many negations there are."""
        store = self._db._store
        if isinstance(store, SqliteStore):
            return store.edges(Cut()).how_many(NEGATES)
        return len(self._source().with_roles([NEGATES]))

    def _tell(self, changed: set[Key]) -> None:
        """Tell whoever wants to know whose views became others."""
        told = [entity for entity in dict.fromkeys(self._entities) if (self._id, entity) in changed]
        if not told or not self._receivers:
            return
        self._made([(self._id, entity) for entity in told])  # else the next change would be to nothing that was made
        for receiver in list(self._receivers):
            try:
                receiver(list(told))
            except Exception:  # whatever is wrong with one of them, the others and the views go on
                logging.getLogger("rhizomedb").exception("a receiver of live HyperViews raised, and is called no more")
                if receiver in self._receivers:  # it may have stopped itself before
                    self._receivers.remove(receiver)

    def _authors_of(self, edge: Entity) -> set[bytes]:
        source = self._source()
        return {each.author for each in source.read(source.of_edges([edge]))}

    def _add(self, key: Key, property: str, edge: Hyperedge) -> None:
        self._shown[key].setdefault(property, {})[edge.rank[2]] = edge
        self._places.setdefault(edge.edge, set()).add((key, property))

    def _forget(self, place: Place, changed: set[Key], added: Hyperedge | None = None) -> None:
        """A property of a view is another one now, and so is every property that holds the view.

        Where nothing happened to it but that something was `added`, what it shows is remembered: the rest stays as it was.
        """
        key, property = place
        entries = self._entries.get(key, {}).pop(property, None)
        if added is None:
            self._grown.pop(place, None)
        elif entries is not None:
            self._grown[place] = entries, [added]
        elif place in self._grown:
            self._grown[place][1].append(added)
        changed.add(key)
        waiting = [key]
        while waiting:
            key = waiting.pop()
            if self._views.pop(key, None) is None:  # whoever holds it knows already
                continue
            for holder in self._holders.get(key, ()):
                self._entries.get(holder[0], {}).pop(holder[1], None)
                self._grown.pop(holder, None)
                changed.add(holder[0])
                waiting.append(holder[0])

    def _made(self, keys: list[Key]) -> list[HyperView]:
        """Views, those that they hold made before them."""
        try:
            self._load(keys)
            waiting = list(keys)
            while waiting:
                at = waiting[-1]
                lacking = [] if at in self._views else self._make(at)
                self._load(lacking)
                waiting += lacking
                if not lacking:
                    waiting.pop()
            made = [self._views[key] for key in keys]
        except BaseException:  # it may have been anywhere
            self._is_whole = False
            raise
        return made

    def _load(self, keys: Iterable[Key]) -> None:
        """Read what shows up in views of which nothing is known."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._shown]
        if not unknown:
            return
        source = self._source()
        rows = [
            (key, property, name)
            for key in unknown
            for property, name in source.under(key[1])
            if self._schemas[key[0]].takes(property)
        ]
        for key in unknown:
            self._shown[key] = {}
            self._shows.setdefault(key[1], set()).add(key[0])
        names = list(dict.fromkeys(row[2] for row in rows))  # one may show up in many places
        edges = dict(zip(names, source.read(names), strict=True))
        for key, property, name in rows:
            self._add(key, property, edges[name])
        self._ask_after(edges.values())

    def _make(self, key: Key) -> list[Key]:
        """Make a view of what is known, or say which views have to be made before it."""
        known = self._entries.setdefault(key, {})
        lacking: dict[Key, None] = {}
        properties: dict[str, tuple[Entry, ...]] = {}
        for property in sorted(self._shown[key]):
            if property not in known:
                found = self._entries_of((key, property), lacking)
                if found is None:
                    continue
                known[property] = found
            if known[property]:
                properties[property] = known[property]
        if not lacking:
            self._views[key] = HyperView(key[1], self._schemas[key[0]], properties)
        return list(lacking)

    def _entries_of(self, place: Place, lacking: dict[Key, None]) -> tuple[Entry, ...] | None:
        """What a property shows; nothing where views are lacking, which are added to `lacking`."""
        key, property = place
        before, edges = self._grown.get(place, ((), self._shown[key][property].values()))
        needed: dict[Key, HyperView | None] = {}

        def view_of(of: Key) -> HyperView | None:
            needed[of] = self._views.get(of)
            return needed[of]

        standing = (edge for edge in edges if edge.edge not in self._negated.edges)
        found = entries_of(standing, key[1], property, self._schemas[key[0]], view_of)
        if before:
            found = tuple(sorted((*before, *found), key=_RANK))
            needed.update((each, self._views.get(each)) for each in self._leads.get(place, ()))
        self._lead(place, needed)
        if None in needed.values():
            lacking.update((each, None) for each, view in needed.items() if view is None)
            return None
        self._grown.pop(place, None)
        return found

    def _lead(self, place: Place, to: Iterable[Key]) -> None:
        """A property leads to these views now; those to which nothing leads any more are forgotten."""
        before, now = self._leads.get(place, set()), set(to)
        self._leads[place] = now
        for key in now - before:
            self._holders.setdefault(key, set()).add(place)
        waiting = [(key, place) for key in before - now]
        while waiting:
            key, holder = waiting.pop()
            self._holders[key].discard(holder)
            if self._holders[key] or key in self._asked:
                continue
            for property, edges in self._shown.pop(key).items():
                waiting += [(other, (key, property)) for other in self._leads.pop((key, property), ())]
                self._grown.pop((key, property), None)
                for edge in edges.values():
                    self._places[edge.edge].discard((key, property))
            self._shows[key[1]].discard(key[0])
            for held in (self._entries, self._views, self._holders):
                held.pop(key, None)

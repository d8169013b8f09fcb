"""HyperViews that are kept up to date: what is said changes what it touches, and the rest stays as it was made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from rhizomedb.db.edge_source import edge_source
from rhizomedb.db.hyperedges import Thing, check_list
from rhizomedb.errors import Error, RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.reserved import is_name
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import ASKED, SHOWN, Entry, HyperView, entries_of, program_of
from rhizomedb.hyper.schema import Schemas
from rhizomedb.logic.syntax import show_value
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.db.live_view import View
    from rhizomedb.db.view_change import ViewChange

Key = tuple[str, Entity]
"""A view: its schema and its thing."""


class Standing(Protocol):
    """The connection whose views are kept."""

    _store: Store

    def view(self, program: str, *, only: str) -> View:
        """A standing view of a program."""
        ...

    def thing(self, thing: Thing) -> Entity:
        """The entity that is meant."""
        ...


class LiveHyperViews:
    """The views of some things by a schema, kept up to date; made by `Connection.live_hyperviews`.

        with db.live_hyperviews(["matrix"], "Movie") as live:
            live["matrix"]                          the view as it is now
            live.on_change(print)                   and whenever it becomes another, the things whose views those are

    What is said costs what it changes: a view that nothing touched is the same object as before, and so is each part of one
    that was. It lives until it is closed, or its connection is.
    """

    def __init__(
        self, db: Standing, things: Iterable[Thing], schemas: Schemas, id: str, trusted: Iterable[bytes] | None
    ) -> None:
        self._db = db
        self._schemas = schemas
        self._id = id
        self._entities = [db.thing(thing) for thing in check_list(things)]
        if not self._entities:
            raise RequestError("db.usage", "no thing is named whose view is to be kept", fix='["movie_matrix"]')
        self._rows: dict[Key, dict[str, set[Cid]]] = {}
        self._entries: dict[Key, dict[str, tuple[Entry, ...]]] = {}
        self._views: dict[Key, HyperView] = {}
        self._holders: dict[Key, set[tuple[Key, str]]] = {}
        self._changed: set[Key] = set()
        self._receivers: list[Callable[[list[Entity]], object]] = []
        self._view = db.view(_program(schemas, id, self._entities, trusted), only=SHOWN)
        self._sink = self._view.sink(SHOWN, self._take, from_now=False)

    @property
    def epoch(self) -> int:
        """The epoch whose state the views have."""
        return self._view.epoch

    def __getitem__(self, thing: Thing) -> HyperView:
        """The view of one of the things, as it is now; `hyper.not-kept` for another one."""
        entity = self._db.thing(thing)
        if entity not in self._entities:
            raise RequestError(
                "hyper.not-kept", f"no view of {thing!r:.60} is kept here", fix="db.hyperview(thing, schema)"
            )
        self._follow()
        return self._made((self._id, entity))

    def __iter__(self) -> Any:
        """The views of all things, in the order in which they were asked for."""
        self._follow()
        return iter([self._made((self._id, entity)) for entity in self._entities])

    def __len__(self) -> int:
        return len(self._entities)

    def on_change(self, receiver: Callable[[list[Entity]], object]) -> Callable[[], None]:
        """Call a function with the things whose views became others, epoch by epoch; gives what stops that.

        One that raises is called no more, and nobody else notices; the log `rhizomedb` says why.
        """
        if not callable(receiver):
            raise RequestError("db.usage", f"{receiver!r:.60} cannot be called", fix="live.on_change(print)")
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver) if receiver in self._receivers else None

    def close(self) -> None:
        """Free what is held. Safe to call twice."""
        self._view.close()
        for held in (self._rows, self._entries, self._views, self._holders, self._receivers):
            held.clear()

    def __enter__(self) -> LiveHyperViews:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- within -----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        self._view.refresh()
        error: Error | BaseException | None = self._sink.error
        if error is not None:
            raise error

    def _take(self, change: ViewChange) -> None:
        """Note what came and went, and which views that makes others."""
        for is_there, rows in ((False, change.minus), (True, change.plus)):
            for of, entity, property, _, delta in rows:
                if not is_name(property):
                    continue
                key = of, entity
                said = self._rows.setdefault(key, {}).setdefault(property, set())
                (said.add if is_there else said.discard)(delta)
                self._forget(key, property)
        told = [entity for entity in self._entities if (self._id, entity) in self._changed]
        self._changed.clear()
        if told:
            for receiver in list(self._receivers):
                try:
                    receiver(told)
                except Exception:  # whatever is wrong with one of them, the others and the views go on
                    logging.getLogger("rhizomedb").exception(
                        "a receiver of live HyperViews raised, and is called no more"
                    )
                    if receiver in self._receivers:  # it may have stopped itself before
                        self._receivers.remove(receiver)

    def _forget(self, key: Key, property: str) -> None:
        """A property of a view is another one now, and so is every property that holds the view."""
        waiting = [(key, property)]
        while waiting:
            key, property = waiting.pop()
            self._entries.get(key, {}).pop(property, None)
            self._changed.add(key)
            if self._views.pop(key, None) is not None:  # else whoever holds it knows already
                waiting += self._holders.pop(key, ())

    def _made(self, key: Key) -> HyperView:
        """A view, those that it holds made before it."""
        waiting = [key]
        while waiting:
            at = waiting[-1]
            if at in self._views:
                waiting.pop()
                continue
            lacking = self._make(at)
            waiting += lacking
            if not lacking:
                waiting.pop()
        return self._views[key]

    def _make(self, key: Key) -> list[Key]:
        """Make a view of what is known, or say which views have to be made before it."""
        schema = self._schemas[key[0]]
        known = self._entries.setdefault(key, {})
        lacking: dict[Key, None] = {}
        properties: dict[str, tuple[Entry, ...]] = {}
        for property, said in sorted(self._rows.get(key, {}).items()):
            if property not in known:
                source = edge_source(self._db._store, Cut())
                edges = source.read(source.named(said))
                needed: dict[Key, HyperView | None] = {}
                found = entries_of(edges, key[1], property, schema, partial(_noted, self._views, needed))
                for each, view in needed.items():
                    self._holders.setdefault(each, set()).add((key, property))
                    if view is None:
                        lacking[each] = None
                if None in needed.values():
                    continue
                known[property] = found
            if known[property]:
                properties[property] = known[property]
        if not lacking:
            self._views[key] = HyperView(key[1], schema, properties)
        return list(lacking)


def _noted(views: dict[Key, HyperView], needed: dict[Key, HyperView | None], key: Key) -> HyperView | None:
    """A view if it is made, noted as one that is needed."""
    needed[key] = views.get(key)
    return needed[key]


def _program(schemas: Schemas, id: str, entities: Iterable[Entity], trusted: Iterable[bytes] | None) -> str:
    """The program of the views of these things."""
    said = program_of(schemas, id, is_trusting=trusted is None)
    asked = "".join(f"{ASKED}(object: {show_value(entity)}).\n" for entity in dict.fromkeys(entities))
    whole = said.replace(f"relation {ASKED}(object: bytes).\n", asked, 1)
    if trusted is None:
        return whole
    named = "".join(f"trusted(author: {show_value(author)}).\n" for author in (b"", *sorted(trusted)))  # nobody is b""
    return whole.replace("relation trusted(author: bytes).\n", named, 1)

"""Subscribing to a database: to deltas, to changes of what a program derives, and to those of HyperViews."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from rhizomedb.db.care import Care
from rhizomedb.errors import RequestError

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.db.graph.hyperedges import Moment, Taken, Thing
    from rhizomedb.db.graph.hyperviews import Wanted
    from rhizomedb.db.live.subscription import Overflow, Subscription, Told, ToldView
    from rhizomedb.db.live.subscriptions import Subscriptions
    from rhizomedb.db.programs.composing import Part
    from rhizomedb.facts.value import Attribute, Entity
    from rhizomedb.hyper.pointer import Hyperedge
    from rhizomedb.hyper.schema import HyperSchema
    from rhizomedb.logic import Aggregate, Program


class Subscribing(Care):
    """What an open database offers to those who want to be told."""

    _subscriptions: Subscriptions | None = None

    def subscribe(
        self,
        receiver: Callable[[Told], object] | None = None,
        *,
        ids: Iterable[Thing] | None = None,
        targets: Iterable[Thing] | None = None,
        contexts: Iterable[str] | None = None,
        entities: Iterable[Entity | str] | None = None,
        attributes: Iterable[Attribute] | None = None,
        authors: Iterable[str] | None = None,
        claimed_authors: Iterable[str] | None = None,
        systems: Iterable[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        negated: Taken = "exclude",
        trusted: Iterable[str] | None = None,
        predicate: Callable[[Hyperedge], bool] | None = None,
        after: str | int | None = None,
        buffer: int = 1000,
        overflow: Overflow = "block",
        timeout_s: float | None = None,
        thread: bool = True,
    ) -> Subscription[Told]:
        """The deltas that meet every condition given, as they come, whichever process writes them: each once, in order.

            with db.subscribe(targets=["movie_matrix"], contexts=["cast"]) as sub:
                for told in sub:
                    print(told.edge)

        The conditions are those of `hyperedges`, and `entities` and `attributes` for facts, of which one fact has to meet
        both; one that takes back counts as what it takes back. With `ids`, `targets`, `contexts`, `claimed_authors` or a
        `predicate` only hyperedges are meant. Whether one is taken back is what was so at the end of its epoch.

        Begins with what comes from now on, or `after` a cursor or the number of an epoch. At most `buffer` items are kept
        that were not taken; then `overflow` says what becomes of more: they stay in the log until there is room ("block"),
        the oldest are dropped ("drop_oldest"), or the newest ("drop_newest"), or the subscription ends ("error"). Loops end
        when nothing came for `timeout_s` seconds. A `receiver` is called with each item, one at a time, in a thread of its
        own; with `thread=False` in this one, after the write or in `look`, where it can ask the database.
        """
        from rhizomedb.db.graph.hyperedges import _check, check_list, edge_filter, set_of
        from rhizomedb.db.live.delta_filter import DeltaFilter
        from rhizomedb.db.programs.notices import unknown_names
        from rhizomedb.facts.value import check_attribute, check_entity, exact

        _check(negated, None)
        if predicate is not None and not callable(predicate):
            raise RequestError(
                "db.usage", f"{predicate!r:.60} cannot be called", fix="predicate=lambda edge: edge.system == 'laptop'"
            )
        ids, targets = (None if each is None else list(check_list(each)) for each in (ids, targets))
        edge = edge_filter(self, ids, targets, contexts, authors, claimed_authors, systems, since, until)
        named = set_of(attributes, lambda each: exact(check_attribute(each)))
        wanted = DeltaFilter(
            edge,
            set_of(entities, lambda each: self.entity(each) if isinstance(each, str) else check_entity(each)),
            named,
            negated,
            set_of(trusted, self.author_key),
            predicate,
        )
        hub = self._open_subscriptions(receiver, buffer, overflow, timeout_s)
        sub = hub.to_deltas(wanted, after, buffer, overflow, timeout_s, receiver, thread)
        unknown = unknown_names([*(named or ()), *sorted(edge.contexts or ())], self._store)
        sub.notices = (*unknown, *self._unknown_things([*(ids or ()), *(targets or ())]))
        return sub

    def subscribe_view(
        self,
        program: str | Program,
        receiver: Callable[[ToldView], object] | None = None,
        *,
        parameters: Mapping[str, object] | None = None,
        relation: str | Iterable[str] | None = None,
        using: Iterable[Part] = (),
        aggregates: Mapping[str, Aggregate] | None = None,
        budget: Budget | None = None,
        by: str | Iterable[str] = (),
        after: str | int | None = None,
        buffer: int = 1000,
        overflow: Overflow = "block",
        timeout_s: float | None = None,
        thread: bool = True,
        **more_parameters: object,
    ) -> Subscription[ToldView]:
        """What comes into the answer of a program and what goes: one item for each epoch that changes it.

            for told in db.subscribe_view(program, after=cursor):
                print(told.plus, told.minus)

        The program is that of a `view`, and `relation` one of its relations, or several; the rest is as for `subscribe`.
        All who ask for the same share one view. From a cursor on, the changes are worked out epoch by epoch, at the cost
        of what each changes.
        """
        from rhizomedb.db.programs.composing import parts_of
        from rhizomedb.db.programs.programming import Known
        from rhizomedb.db.programs.query import parsed_of
        from rhizomedb.logic.parameters import merged

        relations = relation if relation is None or isinstance(relation, str) else list(relation)
        by = [by] if isinstance(by, str) else list(by)
        values = merged(parameters, more_parameters)
        opened = self.opened(program, using)
        if opened is not None:
            program, using, values = opened.text, opened.using, {**opened.parameters, **values}
            relations = relations or opened.answer
        parts = using if isinstance(using, Known) else parts_of(using)
        whole = parsed_of(program)

        def make() -> Any:
            # Several relations are watched in one view, of which none is the only one that is kept.
            answer = relations if isinstance(relations, str) else None
            view = self.view(whole, values, relation=answer, using=parts, aggregates=aggregates, budget=budget, by=by)
            view._is_told = False  # who shares it looks when somebody wants to be told
            return view

        hub = self._open_subscriptions(receiver, buffer, overflow, timeout_s)
        names = [relations] if relations is None or isinstance(relations, str) else relations
        key = (
            whole,
            _key(values),
            tuple(map(str, names)),
            (*parts, *getattr(parts, "programs", ())),
            id(aggregates),
            budget,
            tuple(by),
        )
        what = f"the view of {whole.answer if names == [None] else ', '.join(map(str, names))}"
        return hub.to_changes(
            key, what, make, cast(list[str], names), after, buffer, overflow, timeout_s, receiver, thread
        )

    def subscribe_hyperviews(
        self,
        things: Iterable[Thing],
        schema: Wanted,
        receiver: Callable[[ToldView], object] | None = None,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        after: str | int | None = None,
        buffer: int = 1000,
        overflow: Overflow = "block",
        timeout_s: float | None = None,
        thread: bool = True,
    ) -> Subscription[ToldView]:
        """What comes into the HyperViews of some things and what goes, nested views among them, epoch by epoch.

        Each tuple says of which schema and thing which `property` shows which `edge`, said by which `delta`. The schema
        stays what it is now.
        """
        from rhizomedb.db.graph.hyperedges import check_list, set_of
        from rhizomedb.db.graph.hyperviews import schemas_for
        from rhizomedb.hyper.hyperview import SHOWN, program_of

        entities = [self.thing(thing) for thing in check_list(things)]
        program = program_of(*schemas_for(self, schema, schemas), entities, set_of(trusted, self.author_key))
        return self.subscribe_view(
            program,
            receiver,
            relation=SHOWN,
            after=after,
            buffer=buffer,
            overflow=overflow,
            timeout_s=timeout_s,
            thread=thread,
        )

    def look(self) -> int:
        """Look for what other processes wrote, and tell whoever is subscribed; the newest epoch.

        Reading a subscription looks by itself. Receivers hear of what this connection writes, and of what others do at the
        next look.
        """
        if self._subscriptions is not None:
            self._subscriptions.look()
        return self._newest()

    def _unknown_things(self, things: Iterable[Thing]) -> Iterator[str]:
        """A sentence for each text that nothing here is called."""
        for each in things:
            if isinstance(each, str) and not self.is_known(self.thing(each)):
                yield f"nothing here is called {each!r:.60} yet: it is taken for an id"

    def _open_subscriptions(
        self, receiver: object, buffer: object, overflow: object, timeout_s: float | None
    ) -> Subscriptions:
        from rhizomedb.db.live.subscription import check_kept
        from rhizomedb.db.live.subscriptions import Subscriptions
        from rhizomedb.db.live.watch import check_pauses

        check_kept(buffer, overflow)
        check_pauses(0, timeout_s)
        if receiver is not None and (not callable(receiver) or inspect.iscoroutinefunction(receiver)):
            fix = "db.subscribe(print)" if not callable(receiver) else "async for told in db.subscribe(…)"
            what = "cannot be called" if not callable(receiver) else "has to be awaited, which nobody would"
            raise RequestError("db.usage", f"{receiver!r:.60} {what}", fix=fix)
        if self._subscriptions is None:
            self._subscriptions = Subscriptions(self._store, self._newest)
        return self._subscriptions

    def _tell_views(self) -> None:
        """Let the views and those who are subscribed follow what was written."""
        super()._tell_views()
        if self._subscriptions is not None:
            self._subscriptions.tell()

    def _end_subscriptions(self) -> None:
        if self._subscriptions is not None:
            self._subscriptions.close()


def _key(values: Mapping[str, object]) -> object:
    """What tells parameters apart: 1, 1.0 and True are three."""
    return tuple(sorted((name, type(value).__name__, repr(value)) for name, value in values.items()))

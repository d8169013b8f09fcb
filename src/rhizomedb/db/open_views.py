"""The standing views of a connection: how one is made, and that each learns what the connection has written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rhizomedb.crdt.register import with_stands
from rhizomedb.db.compiled import standing
from rhizomedb.db.live_view import View
from rhizomedb.db.query import answer_relation, parsed_of, prepare
from rhizomedb.db.stored import Arrivals, stored_of
from rhizomedb.store.store import COLUMNS, Cut, Store

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.logic import Aggregate, Program


class OpenViews:
    """The views that are open. `newest` looks which epoch is the newest, what has come due since among it."""

    def __init__(self, store: Store, newest: Callable[[], int]) -> None:
        self._store = store
        self._newest = newest
        self._arrivals = Arrivals(store)
        self._views: dict[int, View] = {}

    def open(
        self,
        program: str | Program,
        window: Cut,
        *,
        relation: str | None,
        only: Iterable[str] | None,
        parameters: Mapping[str, object],
        aggregates: Mapping[str, Aggregate] | None,
        budget: Budget,
        notices: Callable[[Program], Iterator[str]],
    ) -> View:
        """A view of a program, at the newest epoch, of what is in a window."""
        whole = parsed_of(program)
        read = None if only is None else [answer_relation(whole, each) for each in only]
        answer = answer_relation(whole, relation or (read[0] if read else None))
        prepared = prepare(with_stands(whole), COLUMNS, parameters, aggregates, relation)
        heads = dict.fromkeys([answer, *read] if read else [rule.head.relation for rule in whole.rules])
        relations = [name for name in heads if name in prepared.plan.derived]
        view = View(
            self._store,
            prepared,
            standing(prepared, answer, relations),
            lambda: stored_of(self._store, self._arrivals),
            replace(window, epoch=self._newest()),
            answer=answer,
            budget=budget,
            newest=self._kept,
            closed=self._closed,
            notices=lambda: tuple(notices(whole)),
        )
        self._views[id(view)] = view
        return view

    def tell(self) -> None:
        """Let the views follow what was written, if that is done."""
        if self._store.is_writing:
            return
        for view in list(self._views.values()):
            view._committed()

    def close(self) -> None:
        """Close every view."""
        for view in list(self._views.values()):
            view.close()

    def _kept(self) -> int:
        """The newest epoch; none while one is being written, which may be taken back yet."""
        return 0 if self._store.is_writing else self._newest()

    def _closed(self, view: View) -> None:
        self._views.pop(id(view), None)
        if not self._views:
            self._arrivals.forget()

"""The standing views of a connection: how one is made, and that each learns what the connection has written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from rhizomedb.crdt.register import with_stands
from rhizomedb.db.live.live_view import Kept, Reasoned, Reasons, View
from rhizomedb.db.live.stored import Arrivals, stored_of
from rhizomedb.db.live.upkeep import Upkeep
from rhizomedb.db.programs.arriving import with_arrivals
from rhizomedb.db.programs.compiled import standing
from rhizomedb.db.programs.query import answer_relation, parsed_of, prepare
from rhizomedb.db.programs.timeline import timeline_of
from rhizomedb.errors import RequestError
from rhizomedb.logic.temporal import is_temporal
from rhizomedb.store.store import COLUMNS, Cut, Store

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.db.live.stored import Stored
    from rhizomedb.db.live.view_state import StateFile
    from rhizomedb.db.programs.compiled import Prepared, Standing
    from rhizomedb.logic import Aggregate, Program

_Made: TypeAlias = tuple[Kept, Mapping[str, tuple[str, ...]], Callable[[Cut], Reasons]]
"""What a view keeps, the columns of its relations, and what explains their tuples at a cut."""


class _Asked(NamedTuple):
    """What a view is asked to keep: the answer of a program, and what is read of it alone, if not all."""

    program: Program
    cut: Cut
    answer: str
    read: tuple[str, ...]
    relation: str | None
    parameters: Mapping[str, object]
    aggregates: Mapping[str, Aggregate] | None
    budget: Budget


class Followed(Protocol):
    """What is kept up to date."""

    def _committed(self) -> None:
        """Follow what the connection has written."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class OpenViews:
    """The views that are open. `newest` looks which epoch is the newest, what has come due since among it."""

    def __init__(self, store: Store, newest: Callable[[], int]) -> None:
        self._store = store
        self._newest = newest
        self._arrivals = Arrivals(store)
        self._views: dict[int, Followed] = {}

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
        kept_as: str | None = None,
        keep: bool | None = None,
    ) -> View:
        """A view of a program, at the newest epoch, of what is in a window.

        `kept_as` is the name of a stored view, whose state may be in the index folder: it is used where it is there, made
        with `keep`, and removed with `keep=False`.
        """
        whole = with_arrivals(parsed_of(program))
        read = [answer_relation(whole, each) for each in only] if only is not None else []
        if only is not None and (not read or relation not in (None, *read)):
            raise RequestError(
                "db.usage",
                f"{relation!r} is not among the relations of `only`" if read else "`only` names the relations to read",
                fix=f"only={[*read, relation or answer_relation(whole, None)]!r}",
            )
        answer = answer_relation(whole, relation or (read[0] if read else None))
        cut = replace(window, epoch=self._newest())
        made = self._stepping if is_temporal(whole) else self._standing
        names = tuple(dict.fromkeys([answer, *read])) if read else ()
        asked = _Asked(whole, cut, answer, names, None if read else relation, parameters, aggregates, budget)
        state = None if kept_as is None or is_temporal(whole) else self._state(kept_as, asked, keep)
        kept, columns, reasons = made(asked) if state is None else self._from_state(asked, state)
        view = View(
            self._store,
            kept,
            columns,
            reasons,
            answer=answer,
            newest=self._kept,
            closed=self.forget,
            notices=lambda: tuple(notices(whole)),
        )
        self.keep(view)
        if state is not None:
            view._save = partial(_save, state, kept, columns)
            view._save(view)
        return view

    def keep(self, view: Followed) -> None:
        """Let something follow what is written, until it is forgotten."""
        self._views[id(view)] = view

    def forget(self, view: Followed) -> None:
        """Let it follow no more."""
        self._views.pop(id(view), None)
        if not self._views:
            self._arrivals.forget()

    def _standing(self, asked: _Asked) -> _Made:
        """What keeps a program up to date by what changes."""
        prepared = prepare(with_stands(asked.program), COLUMNS, asked.parameters, asked.aggregates, asked.relation)
        columns = _columns_of(prepared, asked)
        flow = standing(prepared, asked.answer, tuple(columns))
        kept = Upkeep(flow, lambda: stored_of(self._store, self._arrivals), asked.cut, asked.budget)
        return kept, columns, lambda at: Reasoned(prepared, self._store, at, asked.budget)

    def _state(self, name: str, asked: _Asked, keep: bool | None) -> StateFile | None:
        """The file in which the state of a view is kept, if it is."""
        file = getattr(self._store, "file", None)
        if file is None or asked.aggregates:  # what a function of the caller's computes is the caller's to know
            return None
        from rhizomedb.db.live.view_state import StateFile

        window = asked.cut
        authors = None if window.authors is None else sorted(window.authors)
        values = sorted((key, type(value).__name__, repr(value)) for key, value in asked.parameters.items())
        key = (
            str(asked.program), asked.answer, asked.read, asked.relation, values, window.since, window.until, authors
        )  # fmt: skip
        state = StateFile(self._store, file, name, key)
        if keep is False:
            state.remove()
        return state if keep or (keep is None and state.is_there) else None

    def _from_state(self, asked: _Asked, state: StateFile) -> _Made:
        """What keeps a program up to date from the state that was kept of it; worked out where there is none that fits."""
        prepared = prepare(with_stands(asked.program), COLUMNS, asked.parameters, asked.aggregates, asked.relation)
        columns = _columns_of(prepared, asked)
        found = state.load(columns, asked.cut.epoch or 0)
        if found is None:
            return self._standing(asked)
        from rhizomedb.db.live.view_state import Asleep

        @cache
        def flow() -> Standing:
            return standing(prepared, asked.answer, tuple(columns))

        def stored() -> Stored:
            return stored_of(self._store, self._arrivals)

        kept = Asleep(
            *found,
            asked.cut,
            stored,
            lambda: flow().flow.inputs,
            lambda cut: Upkeep(flow(), stored, cut, asked.budget),
        )
        return kept, columns, lambda at: Reasoned(prepared, self._store, at, asked.budget)

    def _stepping(self, asked: _Asked) -> _Made:
        """What runs a program with steps epoch by epoch."""
        timeline, columns = timeline_of(
            asked.program, self._store, self._arrivals, asked.cut, asked.parameters, asked.aggregates, asked.budget,
            asked.relation,
        )  # fmt: skip
        if asked.read:
            columns = {name: columns[name] for name in asked.read if name in columns}
        return timeline, columns, lambda at: timeline.why

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


def _columns_of(prepared: Prepared, asked: _Asked) -> dict[str, tuple[str, ...]]:
    """The relations that can be read of a view, with their columns."""
    heads = asked.read or tuple(dict.fromkeys(rule.head.relation for rule in asked.program.rules))
    return {name: prepared.plan.derived[name] for name in heads if name in prepared.plan.derived}


def _save(state: StateFile, kept: Kept, columns: Mapping[str, tuple[str, ...]], view: View) -> None:
    """Keep the state of a view that is where it should be."""
    if not view._is_pinned and not view._is_moving and view._error is None:
        state.save(kept.epoch, columns, kept.rows)

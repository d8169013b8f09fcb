"""Standing views: what a program derives, kept up to date by what is said, and told to who watches.

A view is at an epoch. It follows the newest one: when it is read, when this connection writes, and when a watch looks
for what others wrote. It costs what changed. `rewind` moves it to another epoch and keeps it there until `refresh`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from rhizomedb.db.live.outlet import BUFFER, Outlet, Overflow, Receiver, Sink, ViewWatch, check_buffer
from rhizomedb.db.live.view_change import Difference, named, tuples
from rhizomedb.db.live.watch import POLL_S, check_pauses
from rhizomedb.db.programs.result import Result
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.errors import Error, RequestError, StoreError, nearest_names

if TYPE_CHECKING:
    from rhizomedb.algebra import Derivation, Evaluation
    from rhizomedb.budget import Budget
    from rhizomedb.db.live.stored import Row
    from rhizomedb.db.programs.compiled import Prepared
    from rhizomedb.flow.batch import Batch
    from rhizomedb.flow.relation import Change
    from rhizomedb.store.store import Cut, Store

_NOTHING: Final[Mapping[str, Difference]] = {}

Reasons: TypeAlias = "Callable[[str], Callable[[tuple[Any, ...]], Derivation]]"
"""From a relation to what explains its tuples."""


class Kept(Protocol):
    """What a program derives at an epoch, to be moved to another: `Upkeep`, or for programs with steps `Timeline`."""

    @property
    def epoch(self) -> int:
        """Where it is."""
        ...

    @property
    def cut(self) -> Cut:
        """The same as a cut."""
        ...

    @property
    def is_asleep(self) -> bool:
        """Whether it has yet to be worked out: whoever writes need not wait for that."""
        ...

    def move(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch; what that changed of each relation."""
        ...

    def reset(self, epoch: int) -> None:
        """Be where it was before a move of which nobody learned."""
        ...

    def tidy(self) -> None:
        """Forget what is of no use any more, once changes are told."""
        ...

    def rows(self, relation: str) -> list[Row]:
        """The tuples of a relation, in no order."""
        ...

    def cells(self, batch: Batch) -> list[Row]:
        """What the ids of a batch stand for."""
        ...


class View:
    """The relations of a program, kept up to date; made by `Connection.view`.

        with db.view(program) as view:
            view.relation()                         what it derives now
            for change in view.watch():             and, epoch by epoch, what comes and goes
                print(change.plus, change.minus)

    It lives until it is closed, or its connection is.
    """

    def __init__(
        self,
        store: Store,
        kept: Kept,
        columns: Mapping[str, tuple[str, ...]],
        reasons: Callable[[Cut], Reasons],
        *,
        answer: str,
        newest: Callable[[], int],
        closed: Callable[[View], None],
        notices: Callable[[], tuple[str, ...]],
    ) -> None:
        self._store = store
        self._columns = columns
        self._reasons_at = reasons
        self._makers = {name: named(columns) for name, columns in self._columns.items()}
        self._answer = answer
        self._newest = newest
        self._closed = closed
        self._look_for_notices = notices
        self._notices = notices()
        self._error: Error | None = None
        self._is_pinned = False
        self._is_moving = False
        self._is_told = True  # of what this connection writes; who reads the view alone may want it to wait for that
        self._outlets: list[Outlet] = []
        self._results: dict[str, list[Row]] = {}
        self._move: tuple[int, int, int, Mapping[str, Difference]] = (0, 0, 0, _NOTHING)
        self._upkeep: Kept | None = kept
        self._save: Callable[[View], None] | None = None  # of a stored view whose state is kept
        self._reasons: tuple[Cut, Reasons] | None = None

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch whose state the view has."""
        return self._kept().epoch

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations that can be read and watched."""
        return tuple(self._columns)

    def columns(self, name: str | None = None) -> tuple[str, ...]:
        """The attributes of a relation, in the order in which its tuples have them."""
        return self._columns[self._known(name)]

    @property
    def notices(self) -> tuple[str, ...]:
        """What the asker should know, such as an attribute in the program that no fact has."""
        if self._notices:  # an attribute that came does not go again
            self._notices = self._look_for_notices()
        return self._notices

    @property
    def error(self) -> Error | None:
        """Why the view stays where it is, if it could not be brought up to date; `refresh` tries again."""
        return self._error

    def relation(self, name: str | None = None) -> Result:
        """The tuples of a relation of the program, by default of the one that it answers with, as they are now.

        Nothing is computed again: the view is brought up to date with what was said since, and its state is read. If
        that fails, the error is raised, here and at later reads, until `refresh` succeeds; `rewind(view.epoch)` lets
        the state be read in which the view stayed.
        """
        name = self._known(name)
        kept = self._kept()
        self._check_still()
        if not self._is_pinned:
            if self._error is not None:
                raise self._error.with_traceback(None)
            self._catch_up()
        rows = self._results.get(name)
        if rows is None:
            rows = self._results[name] = kept.rows(name)
        if self._reasons is None or self._reasons[0] != kept.cut:
            self._reasons = kept.cut, self._reasons_at(kept.cut)
        result = Result(name, self._columns[name], rows, self._reasons[1](name))
        waits = self._holding_back()
        behind = () if waits is None else (f"the view waits at epoch {self.epoch} until {waits!r} takes its changes",)
        result.notices = (*self.notices, *behind)
        return result

    # -- moving -----------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Bring the view up to date, and let it follow again if it was rewound or stayed behind; the epoch it is at.

        Raises `BudgetExceeded` where a step takes more than its budget; the view then stays at the epoch before.
        """
        self._kept()
        self._is_pinned, self._error = False, None
        self._catch_up()
        return self.epoch

    def rewind(self, epoch: int) -> View:
        """Move the view to an earlier epoch, or on to a later one, and keep it there until `refresh`; the view itself.

        Who watches is told of the way as one change.
        """
        kept, newest = self._kept(), self._newest()
        if type(epoch) is not int or not 0 <= epoch <= newest:
            raise RequestError("db.epoch", f"there is no epoch {epoch!r}", fix=f"0 to {newest}")
        if self._holding_back() is not None and epoch != kept.epoch:
            raise RequestError(
                "db.view-waits", "the view waits for a watch or sink that has not taken its changes", fix="take them"
            )
        self._check_still()
        self._is_pinned, self._error = True, None
        self._tell()  # what an interruption kept from being told
        if epoch != kept.epoch:
            self._step(epoch)
            self._tell()
        return self

    def _pull(self) -> bool:
        """Move on by one epoch; whether it moved."""
        try:
            if self._is_pinned or self._is_moving or self._holding_back() is not None:
                return False
            kept = self._kept()
            if self._error is not None:
                raise self._error.with_traceback(None)
            self._tell()  # what an interruption kept from being told
            if not self.is_behind or self._holding_back() is not None:
                return False
            self._advance(kept.epoch + 1)
        except (StoreError, RequestError) as error:
            if error.code not in ("store.closed", "db.view-closed"):
                raise
            self.close()
            return False
        return True

    @property
    def is_behind(self) -> bool:
        """Whether there is a newer epoch that the view should be at."""
        return not self._is_pinned and self._kept().epoch < self._newest()

    def _committed(self) -> None:
        """Follow what this connection has written. What goes wrong is said when the view is read: the write is kept."""
        if self._upkeep is None or self._is_pinned or self._is_moving or self._error is not None or not self._is_told:
            return
        if self._upkeep.is_asleep and not self._outlets:
            return
        with suppress(Error):
            self._catch_up()

    def _catch_up(self) -> None:
        """Go to the newest epoch: at once, or epoch by epoch where somebody is told of each."""
        kept = self._kept()
        self._check_still()
        self._tell()  # what an interruption kept from being told
        while kept.epoch < (newest := self._newest()) and self._holding_back() is None:
            self._advance(kept.epoch + 1 if self._outlets else newest)
            if self._upkeep is None:  # a sink has closed it
                return

    def _advance(self, epoch: int) -> None:
        try:
            self._step(epoch)
        except StoreError:
            raise  # that may be otherwise at the next look
        except Error as error:
            self._error = error
            raise
        self._tell()

    def _step(self, epoch: int) -> None:
        kept = self._kept()
        before = kept.epoch
        self._is_moving = True
        try:
            derived = kept.move(epoch)
            changed = {name: change for name, change in derived.items() if name in self._columns}
            watched = {name for outlet in self._outlets for name in outlet.relations}
            differences = {name: self._difference(name, changed[name]) for name in changed if name in watched}
            for name in changed:
                self._results.pop(name, None)
            kept.tidy()
            self._move = self._move[0] + 1, epoch, before, differences
        except BaseException:
            kept.reset(before)
            raise
        finally:
            self._is_moving = False

    def _difference(self, name: str, change: Change) -> Difference:
        cells, make = self._kept().cells, self._makers[name]
        return Difference(tuples(cells(change.plus), make), tuples(cells(change.minus), make))

    def _tell(self) -> None:
        """Tell everybody of the last move who was not told yet: first all are offered it, then sinks are called."""
        serial, epoch, before, differences = self._move
        for outlet in list(self._outlets):
            outlet._offer(serial, epoch, before, differences)
        for outlet in list(self._outlets):
            if isinstance(outlet, Sink):
                outlet.deliver()

    # -- telling ----------------------------------------------------------------------------------------------------

    def watch(
        self,
        relation: str | Iterable[str] | None = None,
        *,
        from_now: bool = True,
        buffer: int = BUFFER,
        overflow: Overflow = "wait",
        poll_s: float = POLL_S,
        timeout_s: float | None = None,
    ) -> ViewWatch:
        """The changes of a relation, or of several, as they come: one for each epoch that changes any of them, in order.

        Iterate with `for`, or with `async for`, which waits without blocking the event loop. With `from_now=False`
        everything that there is comes first. At most `buffer` changes are kept for who is slow; when there is no room,
        `overflow` says what happens: the view does not go on before something was taken ("wait"), the oldest is dropped
        ("drop-oldest"), the newest two are made one ("coalesce"), or the watch ends with an error ("error"). Ends when
        the watch or the view is closed, or when nothing came for `timeout_s` seconds.
        """
        check_buffer(buffer, overflow)
        check_pauses(poll_s, timeout_s)
        watch = ViewWatch(self, self._several(relation), buffer, overflow, poll_s, timeout_s)
        self._attach(watch, from_now)
        return watch

    def sink(
        self, relation: str | Iterable[str] | None, receiver: Receiver, *, from_now: bool = True, buffer: int = BUFFER
    ) -> Sink:
        """Call a function, or a coroutine function, with each change of a relation, or of several; `close` it to stop.

        There may be several for one relation. One that raises is called no more, and nobody else notices: its `error`
        says why, and so does the log `rhizomedb`. One that awaits holds the view back when `buffer` changes wait.
        """
        check_buffer(buffer, "wait")
        if not callable(receiver):
            raise RequestError("db.usage", f"{receiver!r} cannot be called", fix="view.sink(None, print)")
        sink = Sink(self, self._several(relation), receiver, buffer)
        self._attach(sink, from_now)
        sink.deliver()
        return sink

    def _attach(self, outlet: Outlet, from_now: bool) -> None:
        kept = self._kept()
        self._check_still()
        if not self._is_pinned and self._error is None:
            self._catch_up()
        outlet._serial = self._move[0] - 1
        if not from_now:
            everything = {name: Difference(tuples(kept.rows(name), self._makers[name])) for name in outlet.relations}
            there = {name: difference for name, difference in everything.items() if difference}
            outlet._offer(self._move[0], kept.epoch, None, there)
        outlet._serial = self._move[0]
        self._outlets.append(outlet)

    def _holding_back(self) -> Outlet | None:
        """The outlet that the view waits for, if it does."""
        return next((outlet for outlet in self._outlets if outlet._is_full), None)

    def _detach(self, outlet: Outlet) -> None:
        """Tell an outlet nothing more."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)

    # -- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Free everything that the view holds; who watches is told nothing more. Safe to call twice."""
        if self._upkeep is None:
            return
        if self._save is not None:
            with suppress(Error):  # without it the view is derived again
                self._save(self)
        self._upkeep = self._reasons = None
        self._results.clear()
        self._move = (*self._move[:3], _NOTHING)
        for outlet in list(self._outlets):
            outlet.close()
        self._closed(self)

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._upkeep is None:
            return f"<rhizomedb.View {self._answer}: closed>"
        stays = f", stays there: {self._error.code}" if self._error else ", rewound" if self._is_pinned else ""
        return f"<rhizomedb.View {self._answer} of {self._store.path}: epoch {self.epoch}{stays}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _kept(self) -> Kept:
        if self._upkeep is None:
            raise RequestError("db.view-closed", f"the view of {self._answer} is closed", fix="db.view(program)")
        return self._upkeep

    def _check_still(self) -> None:
        if self._is_moving:
            raise RequestError(
                "db.view-waits",
                "the view is being brought up to date, and cannot be moved from within",
                fix="an aggregate computes from the rows that it is given alone",
            )

    def _known(self, name: str | None) -> str:
        if name is None:
            return self._answer
        if not isinstance(name, str) or name not in self._columns:
            raise RequestError(
                "db.relation",
                f"no relation of the view is called {name!r}",
                nearest=nearest_names(str(name), self._columns),
                fix=f"one of {', '.join(sorted(self._columns))}",
            )
        return name

    def _several(self, relation: str | Iterable[str] | None) -> tuple[str, ...]:
        names = (
            [relation]
            if relation is None or not isinstance(relation, Iterable) or isinstance(relation, str)
            else relation
        )
        found = tuple(dict.fromkeys(map(self._known, names)))
        if not found:
            raise RequestError("db.relation", "no relation is named that should be watched", fix="view.watch()")
        return found


class Reasoned:
    """Why a view's tuples are there, by an evaluation that runs when it is first asked."""

    def __init__(self, prepared: Prepared, store: Store, cut: Cut, budget: Budget) -> None:
        self._prepared = prepared
        self._cut = cut
        self._store = store
        self._budget = budget

    @cached_property
    def _evaluation(self) -> Evaluation:
        return self._prepared.run(StoreSource(self._store, self._cut), self._budget)

    def __call__(self, relation: str) -> Callable[[tuple[Any, ...]], Derivation]:
        """What explains the tuples of a relation."""
        return lambda row: self._evaluation.explain(relation, row, meter=self._budget.meter())

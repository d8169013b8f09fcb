"""What a program with `@next` rules derives over a log, epoch by epoch.

Time begins at epoch 0, with an empty log and nothing carried. Each epoch of the log is one step in which what came in it
is read as `arrives(fact, delta, entity, attribute, value)`, and then steps without, until the program is at rest. The
state of an epoch is that of its last step; a relation that does not last (an event, or what only events make) is shown
as it was in the first, where the epoch's events were.

Each step is a whole evaluation by the plain evaluator. An epoch that brought nothing of what the program reads takes no
step, where the program says of which attributes it reads facts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, cast

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget, Meter
from rhizomedb.crdt.register import with_stands
from rhizomedb.db.programs.arriving import ARRIVES, foreign_events
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.db.programs.stepping import NOTHING, State, Stepped, Stepping, prepare_steps
from rhizomedb.errors import ProgramErrors
from rhizomedb.facts.value import exact
from rhizomedb.flow.cells import cells_of
from rhizomedb.flow.dictionary import Interned
from rhizomedb.flow.relation import Batch, Change
from rhizomedb.logic import Aggregate, Program
from rhizomedb.logic.occurrences import atoms
from rhizomedb.logic.parameters import values_of
from rhizomedb.logic.syntax import Constant
from rhizomedb.store.store import COLUMNS, Cut, Store

if TYPE_CHECKING:
    from rhizomedb.algebra import Derivation
    from rhizomedb.db.live.stored import Arrivals, Row
    from rhizomedb.facts.delta import Delta
    from rhizomedb.facts.value import Cell
    from rhizomedb.flow.batch import Batch as Tuples

DELTAS_MAX: Final = 256
"""Of how many deltas what they brought is read from themselves; of more, from the index."""

MARKS_MAX: Final = 64
"""How many earlier epochs are remembered, from which the way back to another is shorter than from the beginning."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """The program at an epoch: what it carries on, the epoch's first step if there was one, and the last one made."""

    epoch: int
    first: Stepped | None
    last: Stepped

    def of(self, relation: str, passing: frozenset[str]) -> Stepped:
        """The step in which a relation is shown."""
        return self.first if relation in passing and self.first is not None else self.last


class Timeline:
    """The relations of a program at an epoch, to be moved to any other; what a standing view keeps of such a program."""

    def __init__(
        self, ready: Stepping, store: Store, arrivals: Arrivals, cut: Cut, budget: Budget, relations: Iterable[str]
    ) -> None:
        assert cut.epoch is not None, "a timeline begins at an epoch"
        self._ready = ready
        self._store = store
        self._arrivals = arrivals
        self._window = replace(cut, epoch=None)
        self._budget = budget
        self._attributes = _attributes_read(ready.step.program)
        self.relations = tuple(relations)
        self._dictionary = Interned()
        self._marks: OrderedDict[int, _Moment] = OrderedDict()
        meter = budget.meter()
        self._at = self._before = self._forward(self._begin(meter), cut.epoch, meter)

    @property
    def epoch(self) -> int:
        """The epoch whose state it has."""
        return self._at.epoch

    @property
    def is_asleep(self) -> bool:
        """Never: it is worked out at once."""
        return False

    @property
    def cut(self) -> Cut:
        """Where it is."""
        return replace(self._window, epoch=self.epoch)

    def move(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch; what that changed of each relation. If it fails, it is where it was."""
        meter = self._budget.meter()
        there = self._forward(self._near(epoch, meter), epoch, meter)
        changes = {}
        for name in self.relations:
            old, new = self._rows(self._at, name), self._rows(there, name)
            if old != new:
                changes[name] = Change(self._batch(name, new - old), self._batch(name, old - new))
        self._before, self._at = self._at, there
        return changes

    def reset(self, epoch: int) -> None:
        """Be where it was before a move of which nobody learned."""
        if self._at.epoch != epoch:
            assert self._before.epoch == epoch, "only the last move is taken back"
            self._at = self._before

    def tidy(self) -> None:
        """Forget what was told of the last move: the ids of its changes stand for nothing from now on."""
        self._dictionary = Interned()

    def rows(self, relation: str) -> list[Row]:
        """The tuples of a relation, in no order."""
        return list(self._rows(self._at, relation))

    def cells(self, batch: Tuples) -> list[Row]:
        """What the ids of a batch stand for."""
        return cells_of(batch, self._dictionary)

    def why(self, relation: str) -> Callable[[Row], Derivation]:
        """What explains the tuples of a relation, as they are now: from the step in which it is shown."""
        evaluation = self._at.of(relation, self._ready.step.passing).evaluation
        return lambda row: evaluation.explain(relation, row, meter=self._budget.meter())

    # -- within -----------------------------------------------------------------------------------------------------

    def _rows(self, moment: _Moment, relation: str) -> frozenset[Row]:
        return moment.of(relation, self._ready.step.passing).rows(relation)

    def _batch(self, relation: str, rows: frozenset[Row]) -> Tuples:
        ids = [tuple(self._dictionary.ids(row)) for row in rows]
        return Batch.of_rows(ids, len(self._ready.columns[relation]))

    def _begin(self, meter: Meter) -> _Moment:
        return self._settled(0, self._ready.nothing, NOTHING, meter)

    def _near(self, epoch: int, meter: Meter) -> _Moment:
        """The latest moment that is known before an epoch, or the beginning."""
        known = [self._at, *self._marks.values()]
        before = [moment for moment in known if moment.epoch < epoch]
        return max(before, key=lambda moment: moment.epoch) if before else self._begin(meter)

    def _forward(self, moment: _Moment, epoch: int, meter: Meter) -> _Moment:
        """Go on epoch by epoch."""
        if moment.epoch >= epoch:
            return moment
        came = self._store.totals(epoch)[0] - self._store.totals(moment.epoch)[0]
        arrived = self._from_log if came <= DELTAS_MAX else self._from_index
        for number, rows in arrived(moment.epoch, epoch, meter):
            self._mark(moment)
            meter.again()
            moment = self._settled(number, moment.last.carried, {ARRIVES: frozenset(rows)}, meter)
        if moment.epoch < epoch:  # the epochs since brought nothing: what there was of an epoch has passed
            moment = _Moment(epoch, None, moment.last)
        return moment

    def _from_log(self, after: int, last: int, meter: Meter) -> Iterator[tuple[int, list[Row]]]:
        """What each epoch brought of what is read, in order, from the deltas themselves."""
        for number, some in groupby(self._arrivals.between(after, last), key=itemgetter(0)):
            meter.check()
            rows = [
                row
                for _, delta in some
                if self._window.admits(number, delta.time.ms, delta.author)
                for row in _rows_of(delta)
                if self._attributes is None or row[3] in self._attributes
            ]
            if rows:
                yield number, rows

    def _from_index(self, after: int, last: int, meter: Meter) -> Iterator[tuple[int, list[Row]]]:
        """The same by look-ups, which cost what is read and not what was said."""
        store, cut = self._store, replace(self._window, epoch=last)
        questions = [{}] if self._attributes is None else [{"attribute": name} for name in self._attributes]
        facts = {row[0]: row for bound in questions for row in store.scan("fact", bound, cut)}
        meter.check()
        said = list(store.scan_keys("asserts", {}, ("fact",), ((fact,) for fact in facts), cut))
        meter.check()
        deltas = dict.fromkeys(row[0] for row in said)
        epochs = {row[0]: row[1] for row in store.scan_keys("arrival", {}, ("delta",), ((d,) for d in deltas), cut)}
        found: dict[int, list[Row]] = {}
        for delta, fact in said:
            epoch = cast(int, epochs[delta])
            if epoch > after:
                _, entity, attribute, value = facts[fact]
                found.setdefault(epoch, []).append((fact, delta, entity, attribute, value))
        return iter(sorted(found.items()))

    def _settled(self, epoch: int, state: State, events: Mapping[str, frozenset[Row]], meter: Meter) -> _Moment:
        cut = replace(self._window, epoch=epoch)
        made = list(self._ready.settle(lambda extra: StoreSource(self._store, cut, extra), state, events, meter))
        return _Moment(epoch, made[0], made[-1])

    def _mark(self, moment: _Moment) -> None:
        """Remember a moment; when there are many, every other of them is forgotten."""
        self._marks[moment.epoch] = moment
        if len(self._marks) > MARKS_MAX:
            for number in list(self._marks)[1::2]:
                del self._marks[number]


def timeline_of(
    program: Program,
    store: Store,
    arrivals: Arrivals,
    cut: Cut,
    parameters: Mapping[str, object],
    aggregates: Mapping[str, Aggregate] | None,
    budget: Budget,
    relation: str | None,
) -> tuple[Timeline, Mapping[str, tuple[str, ...]]]:
    """A program run over a log up to an epoch, and the columns of the relations that it derives itself."""
    errors = list(foreign_events(program))
    if errors:
        raise errors[0] if len(errors) == 1 else ProgramErrors(errors)
    values = values_of(parameters)
    ready = prepare_steps(with_stands(program), COLUMNS, values, aggregates, relation)
    heads = dict.fromkeys(rule.head.relation for rule in program.rules)
    columns = {name: ready.columns[name] for name in heads if name in ready.columns}
    return Timeline(ready, store, arrivals, cut, budget, columns), columns


def _rows_of(delta: Delta) -> list[Row]:
    return [(fact.cid, delta.id, fact.entity, exact(fact.attribute), exact(fact.value)) for fact in delta.facts]


def _attributes_read(program: Program) -> frozenset[Cell] | None:
    """The attributes whose facts are all that a program reads of a store; None if it may read anything."""
    found: set[Cell] = set()
    for rule in program.rules:
        for atom in atoms(rule):
            if atom.relation in COLUMNS or atom.relation == ARRIVES:
                attribute = dict(atom.arguments).get("attribute")
                if atom.relation not in ("fact", ARRIVES) or not isinstance(attribute, Constant):
                    return None
                found.add(exact(attribute.value))
    return frozenset(found)

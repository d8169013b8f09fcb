"""Groupings: relations of aggregates, group by group (PomoFlow 2.9.1).

A step looks only at the groups in which something changed. `count` follows from the change alone; the others are
computed from the group as it is, over whole tuples and each tuple once (errata E15h, E15j, E32).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rhizomedb.facts.value import Cell
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Grouping
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.run import Run

Ids = tuple[int, ...]


def derive(grouping: Grouping, run: Run) -> None:
    """Bring a relation of groups up to date."""
    source, target = run.held(grouping.source), run.held(grouping.head)
    keys = list(grouping.keys)
    if run.is_first:
        members = source.table.read()
        target.table.add(_results(grouping, members, run))
    elif source.change:
        changed = Batch.concatenated(
            [batch.shaped(keys, []) for batch in (source.change.plus, source.change.minus)], len(keys)
        ).distinct()
        by_key = [(column, place, 0) for place, column in enumerate(keys)]
        own = [(place, place, 0) for place in range(len(keys))]
        before = _all(target.table.probe, changed, own, list(range(target.table.width)), run)
        members = _all(source.table.probe, changed, by_key, list(range(source.table.width)), run)
        target.table.remove(before)
        target.table.add(_results(grouping, members, run))
    target.settle()


def ready(grouping: Grouping, run: Run) -> None:
    """Have the look-ups made that changes need."""
    keys = list(grouping.keys)
    if keys:
        run.held(grouping.source).table.keys(keys)
        run.held(grouping.head).table.keys(list(range(len(keys))))


def _all(probe: object, asking: Tuples, keys: list[tuple[int, int, int]], take: list[int], run: Run) -> Tuples:
    """Every row that agrees with one of the asking ones."""
    pieces: list[Tuples] = []
    start = 0
    while start < len(asking):
        piece, start = probe(asking, keys, [], take, True, -1, start)  # type: ignore[operator]  # a table's method
        run.meter.spend(len(piece), piece.width)
        pieces.append(piece)
    return Batch.concatenated(pieces, len(take))


def _results(grouping: Grouping, members: Tuples, run: Run) -> Tuples:
    """The tuples of the groups that these members form."""
    width = len(grouping.keys) + len(grouping.aggregates)
    groups: defaultdict[Ids, list[int]] = defaultdict(list)
    keys = members.shaped(list(grouping.keys), []).rows()
    for place, key in enumerate(keys):
        groups[key].append(place)
    columns: list[dict[Ids, int]] = []
    for function, parameters in grouping.aggregates:
        compute = run.aggregates[function].compute
        results: dict[Ids, int] = {}
        cells: Sequence[tuple[Cell, ...]] = _cells(members, parameters, run)
        for key, places in groups.items():
            result = compute([cells[place] for place in places])
            run.meter.spend(1, width)
            if result is not None:
                results[key] = run.dictionary.ids([result])[0]
        columns.append(results)
    rows = [
        (*key, *(results[key] for results in columns)) for key in groups if all(key in results for results in columns)
    ]
    return Batch.of_rows(rows, width)


def _cells(members: Tuples, parameters: Sequence[int], run: Run) -> list[tuple[Cell, ...]]:
    """The parameters of each member, as cells."""
    if not parameters:
        return [()] * len(members)
    columns = [run.dictionary.cells(members.column_ids(column)) for column in parameters]
    return list(zip(*columns, strict=True))

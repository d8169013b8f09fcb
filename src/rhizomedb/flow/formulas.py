"""Formulas over batches: tests and computed columns, each different id looked at once.

Ids say only whether cells are equal. So `==` and `!=` of columns and constants compare ids; everything else (`<` and its
like, conditions, functions) brings the cells of the ids back, once for each id or tuple of ids that occurs.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rhizomedb.algebra.formula import Attribute, Comparison, Constant, Formula, Operand, Row, attributes_of, test_of
from rhizomedb.algebra.formula import value_of as function_of
from rhizomedb.budget import CHECK_EVERY, Meter
from rhizomedb.facts.value import order_cell
from rhizomedb.flow.batch import CONSTANT, IDS, Batch
from rhizomedb.flow.bounded import in_order, pieces, watched
from rhizomedb.flow.dictionary import Dictionary

TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The comparison that says the same of two operands the other way round."""


def keep(batch: Batch, formula: Formula, places: Mapping[str, int], dictionary: Dictionary, meter: Meter) -> Batch:
    """The rows for which a formula holds; `places` are the columns of its variables."""
    match formula:
        case Comparison(Attribute(left), ("==" | "!=") as operator, Attribute(right)):
            return batch.where_equal(places[left], places[right], operator == "==")
        case Comparison(Attribute(name), ("==" | "!=") as operator, Constant(cell)) | Comparison(
            Constant(cell), ("==" | "!=") as operator, Attribute(name)
        ):
            return batch.where_constant(places[name], dictionary.ids([cell])[0], operator == "==")
        case Comparison(Attribute(name), operator, Constant(cell)) | Comparison(
            Constant(cell), operator, Attribute(name)
        ):
            turned = operator if isinstance(formula.left, Attribute) else TURNED[operator]
            ids = batch.distinct_ids(places[name])
            among = dictionary.compared(turned, cell, ids)
            if among is not None:
                meter.check()
                return batch if len(among) == len(ids) else batch.where_among(places[name], among)
        case Comparison(Attribute(left), operator, Attribute(right)):
            return _ordered(batch, places[left], operator, places[right], dictionary, meter)
    names = sorted(attributes_of(formula))
    test = test_of(formula, {name: number for number, name in enumerate(names)})
    if len(names) == 1:
        column = places[names[0]]
        ids = batch.distinct_ids(column)
        kept = array(IDS)
        for first in range(0, len(ids), CHECK_EVERY):
            some = ids[first : first + CHECK_EVERY]
            for id, cell in zip(some, dictionary.cells(some), strict=True):
                meter.look((cell,))
                if test((cell,)):
                    kept.append(id)
            meter.check()
        return batch if len(kept) == len(ids) else batch.where_among(column, kept)
    verdicts: dict[tuple[int, ...], bool] = {}
    asked = list(_rows(batch, [places[name] for name in names]))
    for row, cells in _cells(asked, dictionary, meter):
        meter.look(cells)
        verdicts[row] = test(cells)
    return batch.masked(bytes(verdicts[row] for row in asked))


def _ordered(batch: Batch, left: int, operator: str, right: int, dictionary: Dictionary, meter: Meter) -> Batch:
    """The rows in which the cells of two columns compare so: as numbers of their places in the order of all that occur."""
    if operator in (">", ">="):
        left, right = right, left
    equal = operator in ("<=", ">=")
    either = list({*batch.distinct_ids(left), *batch.distinct_ids(right)})
    ids = [either[place] for place in in_order(either, meter.check)]
    if not ids or dictionary.is_ordered(ids[-1]):
        return batch.where_less(left, right, equal)
    keys: list[tuple[int, Any]] = []
    for some in pieces(ids, meter.check):
        keys += map(order_cell, dictionary.cells(some))
    by_order = in_order(keys, meter.check)
    ranks = [0] * len(ids)
    for rank, place in enumerate(watched(by_order, meter.check)):
        ranks[place] = rank
    width, asked, places = batch.width, array(IDS, ids), array(IDS, ranks)
    ranked = batch.mapped(left, asked, places).mapped(right, asked, places)
    found = ranked.where_less(width, width + 1, equal)
    if keys[by_order[0]][0] != keys[by_order[-1]][0]:  # values of different kinds never compare
        kinds = array(IDS, [kind for kind, _ in keys])
        found = found.mapped(left, asked, kinds).mapped(right, asked, kinds).where_equal(width + 2, width + 3, True)
    return found.shaped(list(range(width)), [])


def compute(batch: Batch, operand: Operand, places: Mapping[str, int], dictionary: Dictionary, meter: Meter) -> Batch:
    """The rows with one column more, the operand's result; rows for which it has none are dropped."""
    own = list(range(batch.width))
    match operand:
        case Attribute(name):
            return batch.shaped([*own, places[name]], [])
        case Constant(cell):
            return batch.shaped([*own, CONSTANT], dictionary.ids([cell]))
    names = sorted(attributes_of(operand))
    value = function_of(operand, {name: number for number, name in enumerate(names)})
    if len(names) == 1:
        column = places[names[0]]
        ids, images = array(IDS), array(IDS)
        distinct = batch.distinct_ids(column)
        for first in range(0, len(distinct), CHECK_EVERY):
            some = distinct[first : first + CHECK_EVERY]
            for id, cell in zip(some, dictionary.cells(some), strict=True):
                meter.look((cell,))
                result = value((cell,))
                if result is not None:
                    meter.hold(result)
                    ids.append(id)
                    images.extend(dictionary.ids([result]))
            meter.check()
        return batch.mapped(column, ids, images)
    results: dict[tuple[int, ...], int | None] = {}
    asked = _rows(batch, [places[name] for name in names])
    for row, cells in _cells(asked, dictionary, meter):
        meter.look(cells)
        result = value(cells)
        if result is not None:
            meter.hold(result)
        results[row] = None if result is None else dictionary.ids([result])[0]
    found = [results[row] for row in asked]
    rows = batch.masked(bytes(id is not None for id in found))
    return rows.with_column(array(IDS, [id for id in found if id is not None]))


def _rows(batch: Batch, columns: Sequence[int]) -> list[tuple[int, ...]]:
    return batch.shaped(list(columns), []).rows()


def _cells(asked: Sequence[tuple[int, ...]], dictionary: Dictionary, meter: Meter) -> list[tuple[tuple[int, ...], Row]]:
    """The different tuples of ids, each with its cells."""
    distinct = list(dict.fromkeys(asked))
    known = dict.fromkeys(id for row in distinct for id in row)
    cells = dict(zip(known, dictionary.cells(known), strict=True))
    meter.check()
    return [(row, tuple(cells[id] for id in row)) for row in distinct]

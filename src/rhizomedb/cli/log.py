"""The verb log: every delta, newest first, with the graph of what had seen what drawn beside it."""

from __future__ import annotations

import sys
from argparse import Namespace
from itertools import islice

from rhizomedb.cli import out
from rhizomedb.cli.lanes import LANES_MAX, NODE, ROOT, Lanes
from rhizomedb.cli.session import at_moment, opened, print_lines
from rhizomedb.cli.terminal import fit, terminal_width
from rhizomedb.crdt.register import RETRACTS, WITHDRAWS
from rhizomedb.db.log import SAID_MAX, Logged, Saying
from rhizomedb.db.moment import show_ms
from rhizomedb.db.programs.result import show
from rhizomedb.db.reader import Reader
from rhizomedb.hyper.pointer import Hyperedge, Reference

VALUE_WIDTH_MAX = 40
"""A longer value is cut: a line tells what a delta is about."""

MISSING_MAX = 3
"""Of how many causes that are not here each is told."""


def log(options: Namespace) -> int:
    """Every delta, or those about an entity, newest first."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        found = islice(reader.log(options.name), options.limit)
        if options.json:
            print_lines(each.as_dict() for each in found)
            return 0
        width = terminal_width(sys.stdout)
        # A graph takes no more than half of a line: what is beside it says what it is a graph of.
        lanes = Lanes(LANES_MAX if width is None else max(1, min(LANES_MAX, width // 4))) if options.graph else None
        for each in found:
            for line in _lines(each, lanes, _said(reader, each)):
                out.say(line if width is None else fit(line, width))
    return 0


def _lines(each: Logged, lanes: Lanes | None, said: str) -> list[str]:
    words = f"…{each.delta.short}  {out.safe(each.author)}  {show_ms(each.time_ms)}  {said}"
    if lanes is None:
        return [words, *(f"  {line}" for line in _missing(each))]
    before, own, after, left_out = lanes.rows(each.delta, each.parents)
    if left_out:
        words += f"  (and {out.plural(left_out, 'line')} to what it had seen that found no room)"
    beside = own.replace(NODE, "┆").replace(ROOT, "┆")
    return [*before, f"{own} {words}", *(f"{beside} {line}" for line in _missing(each)), *after]


def _missing(each: Logged) -> list[str]:
    told = [f"had seen …{cause.short}, which is not here" for cause in each.missing[:MISSING_MAX]]
    rest = len(each.missing) - len(told)
    return [*told, *([f"and {rest:,} more that are not here"] if rest else [])]


def _said(reader: Reader, each: Logged) -> str:
    """What a delta says, in a few words."""
    if each.edge is not None:
        found = reader.hyperedges(ids=[each.edge], negated="mark")
        edge = next((edge for edge in found if edge.delta == each.delta), None)
        if edge is not None:
            return _pointers(reader, edge)
    told = [_fact(saying) for saying in each.said]
    rest = each.facts - len(told)
    return "; ".join(told) + (f" and {rest:,} more" if rest > 0 else "")


def _pointers(reader: Reader, edge: Hyperedge) -> str:
    """What a hyperedge says, in a few words: what it points at, by what that is called."""
    shown = edge.pointers[:SAID_MAX]
    labels = reader.labels({each.target.entity for each in shown if isinstance(each.target, Reference)})
    told = []
    for each in shown:
        target = each.target
        if isinstance(target, Reference):
            at = "" if target.context is None else f" · {out.safe(target.context)}"
            text = f"→ {fit(out.safe(labels[target.entity]), VALUE_WIDTH_MAX)}{at}"
        else:
            text = fit(out.value_text(target), VALUE_WIDTH_MAX)
        told.append(f"{out.safe(each.role)} {text}")
    rest = len(edge.pointers) - len(shown)
    return (", ".join(told) or "a hyperedge without pointers") + (f" and {rest:,} more" if rest > 0 else "")


def _fact(saying: Saying) -> str:
    about = out.safe(saying.label)
    if saying.attribute in (RETRACTS, WITHDRAWS):
        return f"{about}: something taken back"
    return f"{about} · {out.safe(show(saying.attribute))} = {fit(out.value_text(saying.value), VALUE_WIDTH_MAX)}"

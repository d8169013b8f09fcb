"""Relations that do not depend on themselves: derivations are counted (PomoFlow 2.9.18, distinct-incremental).

The weight of a tuple is the number of its derivations, and it is there while that is above zero. The derivations that a
step adds and takes away come from the terms of the incremental join (2.9.13): one term for each input that changed, in
which the inputs before it are read as they are now and those after it as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rhizomedb.flow.body import Rule, Stratum
from rhizomedb.flow.relation import UNIT, Change
from rhizomedb.flow.run import Run


def derive(stratum: Stratum, run: Run) -> None:
    """Bring the relations of a stratum without recursion up to date."""
    for rule in stratum.rules:
        table = run.held(rule.head).table
        for change, term in terms(rule, run):
            versions = term_versions(rule, term)
            for batch, sign in ((change.plus, 1), (change.minus, -1)):
                if not len(batch):
                    continue
                for made in run.pipeline(rule, term, versions).run(batch, run.dictionary, run.meter):
                    run.meter.spend(len(made), made.width)
                    table.count(made, sign)
    for name in stratum.relations:
        run.held(name).settle()


def terms(rule: Rule, run: Run) -> Iterator[tuple[Change, int | None]]:
    """What changed for a rule: for each input that did, its number and the bindings that came and went."""
    body = rule.body
    if run.is_first:
        # Everything was empty: the whole body once, instead of a term for each input.
        yield Change(UNIT, UNIT.slice(0, 0)), None
        return
    for number, atom in enumerate(body.atoms):
        change = run.held(atom.relation).change
        if change:
            yield Change(run.bindings(change.plus, atom.terms), run.bindings(change.minus, atom.terms)), number
    for number, atom in enumerate(body.negations, len(body.atoms)):
        if run.held(atom.relation).change:
            yield run.turned(atom), number


def term_versions(rule: Rule, term: int | None) -> tuple[bool, ...]:
    """Inputs before the changed one are read as they are now, those after it as they were."""
    if term is None:
        return ()
    return tuple(number < term for number in range(len(rule.body.atoms) + len(rule.body.negations)))


def ready(stratum: Stratum, run: Run) -> None:
    """Have the look-ups made that changes need."""
    for rule in stratum.rules:
        run.ready(rule, partial(term_versions, rule))


def derive_once(stratum: Stratum, run: Run) -> None:
    """The same for a flow that takes a single step: tuples are added, and nothing is counted."""
    for rule in stratum.rules:
        table = run.held(rule.head).table
        for made in run.pipeline(rule, None).run(UNIT, run.dictionary, run.meter):
            run.meter.spend(table.add(made), made.width)
    for name in stratum.relations:
        run.held(name).settle()

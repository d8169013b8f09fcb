"""Relations that depend on themselves: added to round by round, and taken from by what no longer stands on its own.

Every tuple carries a number that grows with what is added, its *stamp*. A tuple is *supported* while some
derivation of it uses only tuples of the recursion with smaller stamps; support of that kind cannot be circular. A step that
takes tuples away goes on in three phases:

1. *suspend*: tuples of which a derivation was lost, and that have no support left, go; and so on, until none follows.
   Those that keep some support stay, and nothing that rests on them is looked at: deleting one edge of a graph in which
   everything reaches everything touches what lost its support, not the component.
2. *restore*: what was suspended and can be derived from what stayed comes back, with a new stamp.
3. *extend*: what came is joined with everything, round by round (semi-naive), until nothing new is derived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Rule, Stratum
from rhizomedb.flow.relation import UNIT, Batch, Table
from rhizomedb.flow.run import Run


def derive(stratum: Stratum, run: Run) -> None:
    """Bring the relations of a recursive stratum up to date."""
    _Recursion(stratum, run).step()


def ready(stratum: Stratum, run: Run) -> None:
    """Have the look-ups made that additions need; those that taking away needs are made when something goes."""
    for rule in stratum.rules:
        run.ready(rule, lambda number: ())


class _Recursion:
    """One step of one recursive stratum."""

    def __init__(self, stratum: Stratum, run: Run) -> None:
        self.stratum = stratum
        self.run = run
        self.own = frozenset(stratum.relations)
        self.tables = {name: run.held(name).table for name in stratum.relations}

    def step(self) -> None:
        if self.run.is_first:
            begin = dict.fromkeys(self.tables, 0)
            self.run.meter.round()
            for rule in self.stratum.rules:
                if self.own.isdisjoint(atom.relation for atom in rule.body.atoms):
                    self._add(rule, None, UNIT)
        else:
            suspended = self._suspend()
            begin = {name: table.extent for name, table in self.tables.items()}
            self._restore(suspended)
            self._begin_from_inputs()
        self._extend(begin)
        for name in self.tables:
            self.run.held(name).settle()

    # -- taking away ------------------------------------------------------------------------------------------------

    def _suspend(self) -> dict[str, list[Tuples]]:
        """Take away what lost its support, and return it."""
        suspended: dict[str, list[Tuples]] = {name: [] for name in self.tables}
        lost: dict[str, list[Tuples]] = {name: [] for name in self.tables}
        for rule in self.stratum.rules:
            for number, batch in self._gone_inputs(rule):
                lost[rule.head] += self._lost(rule, number, batch, below=False)
        while any(lost.values()):
            self.run.meter.round()
            gone: dict[str, Tuples] = {}
            for name, batches in lost.items():
                candidates = self._candidates(name, batches)
                unsupported = self._unsupported(name, candidates)
                if len(unsupported):
                    gone[name] = unsupported
            stamps = {name: self.tables[name].with_stamps(batch) for name, batch in gone.items()}
            for name, batch in gone.items():
                self.tables[name].remove(batch)
                suspended[name].append(batch)
            lost = {name: [] for name in self.tables}
            for rule in self.stratum.rules:
                for number, atom in enumerate(rule.body.atoms):
                    if atom.relation in gone:
                        seeds = self.run.bindings(stamps[atom.relation], atom.terms, more=1)
                        lost[rule.head] += self._lost(rule, number, seeds, below=True)
        return suspended

    def _gone_inputs(self, rule: Rule) -> Iterator[tuple[int, Tuples]]:
        """For each input of a rule from below: the bindings that it no longer has."""
        body = rule.body
        for number, atom in enumerate(body.atoms):
            if atom.relation not in self.own and len(minus := self.run.held(atom.relation).change.minus):
                yield number, self.run.bindings(minus, atom.terms)
        for number, atom in enumerate(body.negations, len(body.atoms)):
            held = self.run.held(atom.relation)
            if len(held.change.plus):
                yield number, self.run.turned(atom).minus

    def _lost(self, rule: Rule, number: int, seeds: Tuples, below: bool) -> list[Tuples]:
        """Heads of the derivations that some bindings of an atom had a part in.

        The relations of the recursion are read as they were. What is below them is read as it was where it is what
        changed, and else (`below`) as it is: all support that was found in this step rests on what is there now.
        """
        if not len(seeds):
            return []
        atoms = (*rule.body.atoms, *rule.body.negations)
        versions = tuple(below and atom.relation not in self.own for atom in atoms)
        made = []
        table = self.tables[rule.head]
        whole = [(column, column, 0) for column in range(table.width)]
        pipeline = self.run.lost(rule, number, versions, self.own)
        for batch in pipeline.run(seeds, self.run.dictionary, self.run.meter):
            self.run.meter.spend(len(batch), batch.width)
            # A derivation that used a tuple with no smaller stamp never was the support of its head.
            heads = table.matching(batch, whole, True, after=list(range(table.width, batch.width)))
            made.append(heads.shaped(list(range(table.width)), []))
        return made

    def _candidates(self, name: str, batches: list[Tuples]) -> Tuples:
        """The different tuples among these."""
        table = self.tables[name]
        if not batches:
            return Batch.of_rows([], table.width)
        found = batches[0] if len(batches) == 1 else Batch.concatenated(batches, table.width)
        return found.distinct()

    def _unsupported(self, name: str, candidates: Tuples) -> Tuples:
        """Those of some tuples for which no rule has a derivation from tuples with smaller stamps."""
        table = self.tables[name]
        for rule in self.stratum.rules:
            if rule.head != name or not len(candidates):
                continue
            seeds = self.run.bindings(table.with_stamps(candidates), rule.terms, more=1)
            candidates = _except(candidates, self._rederived(rule, seeds, stamped=True))
        return candidates

    def _rederived(self, rule: Rule, seeds: Tuples, stamped: bool) -> list[Tuples]:
        pipeline = self.run.check(rule, self.own if stamped else frozenset())
        return list(pipeline.run(seeds, self.run.dictionary, self.run.meter))

    # -- adding -----------------------------------------------------------------------------------------------------

    def _restore(self, suspended: dict[str, list[Tuples]]) -> None:
        """Bring back what was suspended and can be derived from what stayed."""
        back: list[tuple[str, list[Tuples]]] = []
        for name, batches in suspended.items():
            if not batches:
                continue
            asked = Batch.concatenated(batches, self.tables[name].width)
            for rule in self.stratum.rules:
                if rule.head == name:
                    seeds = self.run.bindings(asked, rule.terms)
                    back.append((name, self._rederived(rule, seeds, stamped=False)))
        for name, found in back:
            for batch in found:
                self.run.add(self.tables[name], batch)

    def _begin_from_inputs(self) -> None:
        for rule in self.stratum.rules:
            for number, atom in enumerate(rule.body.atoms):
                if atom.relation not in self.own and len(plus := self.run.held(atom.relation).change.plus):
                    self._add(rule, number, self.run.bindings(plus, atom.terms))
            for number, atom in enumerate(rule.body.negations, len(rule.body.atoms)):
                held = self.run.held(atom.relation)
                if len(held.change.minus):
                    self._add(rule, number, self.run.turned(atom).plus)

    def _extend(self, begin: dict[str, int]) -> None:
        """Join what is new with everything until nothing more is new."""
        while any(table.extent > begin[name] for name, table in self.tables.items()):
            self.run.meter.round()
            end = {name: table.extent for name, table in self.tables.items()}
            for rule in self.stratum.rules:
                for number, atom in enumerate(rule.body.atoms):
                    if atom.relation not in self.own or begin[atom.relation] == end[atom.relation]:
                        continue
                    table = self.tables[atom.relation]
                    for first in range(begin[atom.relation], end[atom.relation], self.run.piece):
                        new = table.read(True, first, min(first + self.run.piece, end[atom.relation]))
                        self._add(rule, number, self.run.bindings(new, atom.terms))
            begin = end

    def _add(self, rule: Rule, number: int | None, seeds: Tuples) -> None:
        if not len(seeds):
            return
        table, meter = self.tables[rule.head], self.run.meter
        for batch in self.run.pipeline(rule, number).run(seeds, self.run.dictionary, meter):
            meter.spend(self.run.add(table, batch), table.width)


def _except(batch: Tuples, without: Iterable[Tuples]) -> Tuples:
    """The rows of a batch that none of the others has."""
    table = Table(batch.width)
    for other in without:
        table.add(other)
    if not len(table):
        return batch
    return table.matching(batch, [(column, column, 0) for column in range(batch.width)], False)

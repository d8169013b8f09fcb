"""The store in memory: dictionaries, and one look at every delta that says a fact. The oracle for the one in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import ZERO, HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import KIND_NAMES, Cell, exact, kind_of
from rhizomedb.store.store import (
    ALL,
    COLUMNS,
    AttributeSummary,
    Cut,
    Epoch,
    Finding,
    Held,
    most_facts_first,
)

MEMORY: Final = ":memory:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One delta of the log and the epoch in which it was learned."""

    epoch: int
    delta: Delta


class MemoryStore:
    """A database that ends with the process."""

    def __init__(self, path: str = MEMORY) -> None:
        self.path = path
        self.is_writing = False
        self._closed = False
        self._epochs: list[Epoch] = []
        self._log: list[Entry] = []
        self._held: dict[Cid, tuple[Held, bytes]] = {}
        self._names: dict[bytes, str] = {}
        self._begun: int | None = None
        self._index()

    def _index(self) -> None:
        """Make every index anew from the log."""
        self._deltas: dict[Cid, Entry] = {}
        self._facts: dict[Cid, Fact] = {}
        self._sayings: dict[Cid, list[Entry]] = {}
        self._by: dict[tuple[str, Cell], dict[Cid, None]] = {}
        self._effects: dict[Cid, list[Cid]] = {}
        for entry in self._log:
            self._index_entry(entry)

    def _index_entry(self, entry: Entry) -> None:
        self._deltas[entry.delta.id] = entry
        for fact in entry.delta.facts:
            cid = fact.cid
            self._sayings.setdefault(cid, []).append(entry)
            if cid in self._facts:
                continue
            self._facts[cid] = fact
            for name, cell in zip(COLUMNS["fact"], fact_cells(fact), strict=True):
                if name != "$cid":
                    self._by.setdefault((name, cell), {})[cid] = None
            for cause in fact.causes:
                self._effects.setdefault(cause, []).append(cid)

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch; 0 when nothing was ever written."""
        self._check_open()
        return len(self._epochs)

    def epochs(self) -> list[Epoch]:
        """All epochs, oldest first."""
        self._check_open()
        return list(self._epochs)

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The distinct tuples of a stored relation that agree with `bound`, visible at the cut when this is called."""
        self._check_open()
        assert set(bound) <= set(COLUMNS[relation]), f"{relation} has no such column"
        wanted = [(COLUMNS[relation].index(name), cell) for name, cell in bound.items()]
        tuples = self._tuples(relation, bound, cut)
        return iter([cells for cells in tuples if all(cells[place] == cell for place, cell in wanted)])

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        self._check_open()
        if relation == "fact":
            return len(self._candidates(bound))
        total = {"delta": len(self._log), "arrival": len(self._log)}.get(relation, len(self._facts))
        return total if not bound else min(total, 1)

    def _candidates(self, bound: Mapping[str, Cell]) -> Iterable[Cid]:
        """The fewest facts that an index gives for the bound columns of `fact`."""
        if "$cid" in bound:
            cid = bound["$cid"]
            return [cid] if type(cid) is Cid and cid in self._facts else []
        found = [self._by.get((name, cell), {}) for name, cell in bound.items()]
        return min(found, key=len, default=self._facts)

    def _tuples(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The visible tuples of a relation, at least all that agree with `bound`."""
        match relation:
            case "fact":
                for cid in self._candidates(bound):
                    if self._is_visible(cid, cut):
                        yield fact_cells(self._facts[cid])
            case "cause":
                for cid in self._some(bound.get("from"), self._facts, self._effects.get(bound.get("to"), ())):  # type: ignore[arg-type]
                    if self._is_visible(cid, cut):
                        for cause in self._facts[cid].causes:
                            yield cid, cause
            case "asserts":
                if "fact" in bound:
                    fact = bound["fact"]
                    for entry in self._sayings.get(fact, ()) if type(fact) is Cid else ():
                        if cut.admits(entry.epoch, entry.delta.time.ms):
                            yield entry.delta.id, fact
                else:
                    for entry in self._visible(bound.get("delta"), cut):
                        for each in entry.delta.facts:
                            yield entry.delta.id, each.cid
            case "delta":
                for entry in self._visible(bound.get("id"), cut):
                    delta = entry.delta
                    edge = delta.edge or b""
                    yield delta.id, delta.author, delta.system, delta.time.ms, delta.time.counter, edge, delta.scope
            case "arrival":
                for entry in self._visible(bound.get("delta"), cut):
                    epoch = self._epochs[entry.epoch - 1]
                    yield entry.delta.id, epoch.number, epoch.at_ms, epoch.origin

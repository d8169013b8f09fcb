"""What was ever said of an entity: for each claim its author, how it came here, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhizomedb.crdt.policy import Claim
from rhizomedb.db import view
from rhizomedb.db.explanation import Statement, Support
from rhizomedb.db.naming import Authors
from rhizomedb.errors import StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.value import Attribute, Cell, exact, plain
from rhizomedb.store.store import Cut, Epoch, Store

if TYPE_CHECKING:
    from rhizomedb.algebra import Evaluation


class Statements:
    """The claims that the register program finds, as statements and as supports of an explanation."""

    def __init__(self, store: Store, authors: Authors, derived: view.Derived) -> None:
        self._store = store
        self._authors = authors
        self._derived = derived
        self._epochs = {epoch.number: epoch for epoch in store.epochs()}

    def of(self, attribute: Attribute | None) -> list[Statement]:
        """Every statement, or those about one attribute."""
        fates = view.fates(self._derived)
        writes = self._derived["written"]
        writers: set[tuple[Cell, ...]] = {(row[1], row[2], row[3]) for row in writes}
        statements = []
        for fact, delta, entity, attr, value in writes:
            if attribute is not None and attr != exact(attribute):
                continue
            author, time = self._said(delta)
            fate, epoch = fates.get((fact, delta)), self._epoch(delta)  # type: ignore[arg-type]  # both are CIDs
            statements.append(
                Statement(
                    Claim(plain(value), fact, delta, author, time),  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
                    plain(attr),  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
                    self._authors.name(author),
                    epoch.number,
                    epoch.at_ms,
                    epoch.origin,
                    self._fate(fate, entity, attr, writers) if fate else "stands",
                    fate is None,
                )
            )
        return statements

    def support(self, claim: Claim, evaluation: Evaluation) -> Support:
        """A standing claim with its causes, its arrival, and how the program derived that it stands."""
        epoch = self._epoch(claim.delta)
        causes = tuple(row[1] for row in self._store.scan("cause", {"from": claim.fact}, Cut()))
        (row,) = (r for r in evaluation.relations[view.SURVIVOR] if r[3:5] == (claim.fact, claim.delta))
        derivation = evaluation.explain(view.SURVIVOR, row)
        author = self._authors.name(claim.author)
        return Support(claim, author, epoch.number, epoch.at_ms, epoch.origin, causes, derivation)  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says

    def _fate(self, fate: view.Fate, entity: Cell, attribute: Cell, writers: set[tuple[Cell, ...]]) -> str:
        """What became of a claim, and by whom where it was taken back by name."""
        for by in fate.by:
            for delta, _fact in self._store.scan("asserts", {"fact": by}, Cut()):
                word = "replaced" if (delta, entity, attribute) in writers else fate.word
                return f"{word} by {self._authors.name(self._said(delta)[0])}"
        return fate.word

    def _said(self, delta: Cell) -> tuple[bytes, HybridTime]:
        for _id, author, _system, ms, counter, _edge, _scope in self._store.scan("delta", {"id": delta}, Cut()):
            return author, HybridTime(ms, counter)  # type: ignore[return-value, arg-type]  # columns hold the kinds that `COLUMNS` says
        raise self._damaged("a delta that is said to make a claim is not there")

    def _epoch(self, delta: Cid | Cell) -> Epoch:
        for _delta, epoch, _at, _origin in self._store.scan("arrival", {"delta": delta}, Cut()):
            if epoch in self._epochs:
                return self._epochs[epoch]  # type: ignore[index]  # an epoch is an int
        raise self._damaged("a delta that makes a claim arrived in no epoch")

    def _damaged(self, message: str) -> StoreError:
        return StoreError("store.damaged", f"{self._store.path}: {message}", fix=f"rhizome verify {self._store.path}")

"""What comes before what: questions of the causal graph, each a program over `cause`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, cast

from rhizomedb.db.identity import as_cid
from rhizomedb.db.programs.result import Result
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact

HEADS: Final = "head(fact: C) :- C := fact(), !cause(to: C)."

ANCESTORS: Final = """\
past(fact: P) :- cause(from: $of, to: P).
past(fact: P) :- past(fact: Q), cause(from: Q, to: P).
"""

COMMON: Final = """\
before_a(fact: P) :- cause(from: $a, to: P).
before_a(fact: P) :- before_a(fact: Q), cause(from: Q, to: P).
before_b(fact: P) :- cause(from: $b, to: P).
before_b(fact: P) :- before_b(fact: Q), cause(from: Q, to: P).
both(fact: P) :- before_a(fact: P), before_b(fact: P).
// what leads to another of them is not the latest
earlier(fact: P) :- both(fact: Q), cause(from: Q, to: P).
latest(fact: P) :- both(fact: P), !earlier(fact: P).
"""


class Asking(Protocol):
    """What the questions are asked of."""

    def query(self, program: str, parameters: Mapping[str, object] | None = None) -> Result:
        """The tuples of a program."""
        ...

    def fact(self, cid: Cid | str) -> Fact:
        """A fact by its CID."""
        ...


class Causality:
    """The questions of the causal graph; every reader has them."""

    def heads(self: Asking) -> list[Cid]:
        """The facts that no fact names as a cause: where the history ends so far, in the order of their CIDs."""
        return _cids(self.query(HEADS))

    def ancestors(self: Asking, fact: Cid | str) -> list[Cid]:
        """The CIDs of everything in the causal past of a fact, what has not arrived among it, in their order.

        `db.unknown-fact` if the fact itself is not here.
        """
        return _cids(self.query(ANCESTORS, {"of": self.fact(fact).cid}))

    def is_ancestor(self: Asking, ancestor: Cid | str, of: Cid | str) -> bool:
        """Whether a fact is in the causal past of another. It need not be here itself: whoever names it as a cause may be."""
        return as_cid(ancestor) in set(_cids(self.query(ANCESTORS, {"of": self.fact(of).cid})))

    def common_ancestors(self: Asking, a: Cid | str, b: Cid | str) -> list[Cid]:
        """The latest facts in the causal past of both: those of which none comes before another, in the order of their CIDs.

        What two branches had both seen; several where they had met more than once.
        """
        return _cids(self.query(COMMON, {"a": self.fact(a).cid, "b": self.fact(b).cid}))


def _cids(result: Result) -> list[Cid]:
    return [cast(Cid, cid) for (cid,) in result]

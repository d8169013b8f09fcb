"""Policies: which of a register's standing claims a view shows.

A policy rewrites nothing. It ranks the claims that survived and shows the best one's value; every policy ends in the
same total tie rule, claimed time, then the delta's id by bytes, then (for what one delta says at once) the fact's CID, so
that the order of arrival never shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.value import Cell, Value, exact, order


@dataclass(frozen=True, slots=True)
class Claim:
    """One delta's saying of one fact: the value, the fact, the delta, its author and claimed time."""

    value: Value
    fact: Cid
    delta: Cid
    author: bytes
    time: HybridTime

    @property
    def rank(self) -> tuple[HybridTime, bytes, bytes]:
        """The total tie rule: claimed time, then the delta's id by bytes; within one delta, the fact's CID by bytes."""
        return (self.time, bytes(self.delta), bytes(self.fact))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a policy shows: the values (one, or all), the claim that decided, and the reason in words."""

    values: tuple[Value, ...]
    decided_by: Claim
    reason: str


Rule = Callable[[Sequence[Claim]], tuple[Claim, str]]


def _latest(claims: Sequence[Claim]) -> tuple[Claim, str]:
    best = max(claims, key=lambda claim: claim.rank)
    return best, _or_tied("claimed most recently", best, claims)


def _first(claims: Sequence[Claim]) -> tuple[Claim, str]:
    best = min(claims, key=lambda claim: claim.rank)
    return best, _or_tied("claimed first", best, claims)


def _or_tied(reason: str, best: Claim, claims: Sequence[Claim]) -> str:
    """The reason, unless another value was claimed at the very same time and only the tie rule decides."""
    tied = any(claim.time == best.time and agreed(claim.value) != agreed(best.value) for claim in claims)
    return "claimed at the same moment; the ids break the tie" if tied else reason


def _max(claims: Sequence[Claim]) -> tuple[Claim, str]:
    return max(claims, key=lambda claim: (order(claim.value), claim.rank)), "the greatest value"


def _min(claims: Sequence[Claim]) -> tuple[Claim, str]:
    least = min(order(claim.value) for claim in claims)
    return max((c for c in claims if order(c.value) == least), key=lambda claim: claim.rank), "the least value"


def _vote(claims: Sequence[Claim]) -> tuple[Claim, str]:
    voters: dict[object, set[bytes]] = {}
    for claim in claims:
        voters.setdefault(agreed(claim.value), set()).add(claim.author)
    best = max(claims, key=lambda claim: (len(voters[agreed(claim.value)]), claim.rank))
    votes, all_voters = len(voters[agreed(best.value)]), len(set().union(*voters.values()))
    return best, f"said by {votes} of {all_voters} authors"


RULES: Final[dict[str, tuple[Rule, str]]] = {
    "latest": (_latest, "the value claimed most recently"),
    "first": (_first, "the value claimed first"),
    "max": (_max, "the greatest value: by kind (bool, int, float, text, bytes, CID), then by size"),
    "min": (_min, "the least value"),
    "vote": (_vote, "the value that most authors say"),
    "all": (_latest, "every standing value"),
}
"""The policies that need no arguments, and what each shows."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to choose among standing claims, named as it is written: `latest`, `trusted:imdb,wikipedia`."""

    name: str
    rule: Rule

    def choose(self, claims: Sequence[Claim]) -> Choice:
        """What this policy shows of a register that has at least one standing claim."""
        assert claims, "a register without standing claims shows nothing"
        decided_by, reason = self.rule(claims)
        if self.name == "all":
            return Choice(distinct(claim.value for claim in claims), decided_by, "every standing value is shown")
        contested = len({agreed(claim.value) for claim in claims}) > 1
        return Choice((decided_by.value,), decided_by, reason if contested else "nobody says otherwise")


def agreed(value: Value) -> Cell:
    """A form under which two values are equal where a reader sees no disagreement: `1` and `1.0` are the same number.

    They stay two facts and two values; only the question whether sources contradict each other takes them for one.
    """
    return int(value) if isinstance(value, float) and value.is_integer() else exact(value)


def distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    """The different values, in the total order."""
    by_cell: Mapping[Any, Value] = {exact(value): value for value in values}
    return tuple(sorted(by_cell.values(), key=order))


def policy(text: str, resolve_author: Callable[[str], bytes]) -> Policy:
    """The policy that a text names; `resolve_author` turns a name into an author key."""
    name, _, rest = text.partition(":")
    if name == "trusted":
        names = [part.strip() for part in rest.split(",") if part.strip()]
        if not names:
            raise RequestError("db.unknown-policy", "trusted needs names", fix="trusted:imdb,wikipedia")
        return _trusted(text, [(label, resolve_author(label)) for label in names])
    if name not in RULES or rest:
        known = [*RULES, "trusted:NAME,NAME"]
        raise RequestError(
            "db.unknown-policy",
            f"there is no policy {text!r}",
            nearest=nearest_names(name, [*RULES, "trusted"]),
            fix=f"one of {', '.join(known)}",
        )
    return Policy(name, RULES[name][0])


def _trusted(text: str, authors: Sequence[tuple[str, bytes]]) -> Policy:
    def rule(claims: Sequence[Claim]) -> tuple[Claim, str]:
        for label, key in authors:
            theirs = [claim for claim in claims if claim.author == key]
            if theirs:
                return _latest(theirs)[0], f"{label} is trusted" if len(authors) == 1 else f"{label} is trusted first"
        return _latest(claims)[0], "none of the trusted says anything here; claimed most recently"

    return Policy(text, rule)

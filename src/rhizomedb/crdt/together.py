"""What belongs together: attributes whose values come from one delta, or from one author, or not at all.

A view chooses attribute by attribute. Of two people who each say a whole address it may show the street of one and the city of the
other: an address that nobody wrote. Attributes that belong together are chosen as one: each delta that says any of them is a
*record*, a policy chooses one record as it would choose a value, and what that record does not say is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, get_args

from rhizomedb._record import dataclass
from rhizomedb.crdt.policy import Choice, Claim, Policy, agreed
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Attribute, Cell, check_attribute, exact

Source: TypeAlias = Literal["delta", "author"]
"""What writes a record: one delta, or all that one author still says."""

NOT_OF_RECORDS: Final = frozenset({"all", "max", "min", "average"})
"""The policies that choose no single record: they show all, or mix or measure values."""

_FIX: Final = 'together=[("street", "city", "zip")]'


@dataclass(frozen=True, slots=True)
class Together:
    """Attributes that are shown as one record, written by one `of`: a "delta", or an "author" over time."""

    names: tuple[Attribute, ...]
    of: Source = "delta"

    def __post_init__(self) -> None:
        given: object = self.names
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise RequestError("db.usage", f"{given!r:.60} is one attribute, and belongs to nothing", fix=_FIX)
        names = tuple(map(check_attribute, given))
        if not names or len({exact(name) for name in names}) < len(names):
            raise RequestError(
                "db.usage", f"{names!r:.60}: attributes that belong together are named once each", fix=_FIX
            )
        if self.of not in get_args(Source):
            raise RequestError(
                "db.usage", f"a record is of a delta or an author, not of {self.of!r:.40}", fix='of="delta"'
            )
        object.__setattr__(self, "names", names)


Given: TypeAlias = "Iterable[Together | Sequence[Attribute]]"
"""What belongs together, as people give it: groups of attributes."""


def together_of(given: Given) -> tuple[Together, ...]:
    """The groups that are given, each attribute in one of them at most."""
    if isinstance(given, str | bytes | Together) or not isinstance(given, Iterable):
        raise RequestError("db.usage", f"{given!r:.60} is no list of groups of attributes", fix=_FIX)
    groups = tuple(each if isinstance(each, Together) else Together(each) for each in given)  # type: ignore[arg-type]  # it makes a tuple of them
    met: set[Cell] = set()
    for group in groups:
        for name in group.names:
            if exact(name) in met:
                raise RequestError("db.usage", f"{name!r:.60} belongs to one group at most", fix=_FIX)
            met.add(exact(name))
    return groups


def refuse_for_records(policy: str) -> None:
    """Refuse a policy that chooses no single record."""
    if policy in NOT_OF_RECORDS:
        raise RequestError(
            "db.usage",
            f"the policy {policy!r} chooses no single record of what belongs together",
            fix="latest, first, vote or trusted:A,B",
        )


def choose_together(policy: Policy, claims: Mapping[Cell, Sequence[Claim]], of: Source) -> dict[Cell, Choice]:
    """What a policy shows of registers that belong together: of each, the value in the one record that it chooses."""
    refuse_for_records(policy.name)
    records: dict[object, dict[Cell, Claim]] = {}
    for attribute, some in claims.items():
        for claim in sorted(some, key=lambda claim: claim.rank):  # within one record the later one counts
            records.setdefault(claim.delta if of == "delta" else claim.author, {})[attribute] = claim
    if not records:
        return {}
    wholes = {_whole(record): record for record in records.values()}
    decided, reason = policy.rule(list(wholes))
    chosen = wholes[decided]
    if len({whole.value for whole in wholes}) == 1:
        reason = "nobody says otherwise"
    return {attribute: Choice((claim.value,), claim, f"of one {of}: {reason}") for attribute, claim in chosen.items()}


def _whole(record: Mapping[Cell, Claim]) -> Claim:
    """A record as a claim of its own, by which policies choose: its value says what all of it says."""
    latest = max(record.values(), key=lambda claim: claim.rank)
    said = sorted((repr(name), repr(agreed(claim.value))) for name, claim in record.items())
    return Claim(repr(said), latest.fact, latest.delta, latest.author, latest.time)

"""Lenses in plain Python, over sets of claims: what the rules of `lens_program` are held to, and how they are meant.

A claim is a thing, a property, a value, and who says so when. A version is read from the leaves of its tree to the root: what is
said in its own names, and what each step makes of what is read behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from rhizomedb.facts.value import exact, order
from rhizomedb.hyper.lens import (
    Add,
    Claim,
    Convert,
    Head,
    Hoist,
    Join,
    Lens,
    Lost,
    Reading,
    Remove,
    Rename,
    Sink,
    Split,
    Step,
    Wrap,
    gives,
    takes,
)

LIST, TABLE, GONE, NO_TEXT = "one of a list is shown", "not in the table", "it is no more", "it is no text"
"""Why something is lost."""

Said: TypeAlias = "dict[object, Claim]"
"""Claims by what makes two the same: `1`, `1.0` and `True` are three values."""


def read(reading: Reading, claims: Iterable[Claim]) -> tuple[list[Claim], list[Lost]]:
    """What a version shows of all that is said, and what it does not, with the reason."""
    claims = list(claims)
    lost: dict[object, Lost] = {}

    def at(number: int) -> Said:
        node = reading.nodes[number]
        found = _keyed(claim for claim in claims if claim[1] in node.names)
        behind = [(at(child), step, lens) for child, step, lens in node.sources]
        for said, step, _ in behind:
            touched = {*takes(step), *gives(step)}
            found |= {key: claim for key, claim in said.items() if claim[1] not in touched}
            made, gone = _stepped(step, list(said.values()), claims)
            found |= _keyed(made)
            lost.update({(_key(claim), why): (claim, why) for claim, why in gone})
        given = {(claim[0], claim[1]) for claim in found.values()}
        for said, step, lens in behind:
            if isinstance(step, Add):
                things = {claim[0] for claim in said.values() if claim[1] == step.beside}
                found |= _keyed(
                    default_of(thing, step, lens) for thing in things if (thing, step.property) not in given
                )
        return found

    shown = at(0)
    shown |= _keyed(claim for claim in claims if claim[1] not in reading.named)
    for thing, inner, path in reading.paths:
        shown |= _keyed(_inside(shown.values(), claims, thing, inner, path))
    return list(shown.values()), list(lost.values())


def default_of(thing: Any, step: Add, lens: Lens) -> Claim:
    """What an added property is of a thing for which nobody says it: said by the lens, before everybody."""
    assert lens.delta is not None, "a lens that is read is said by somebody"
    return (thing, step.property, step.value, lens.delta, lens.delta, lens.author, 0, 0)


def _stepped(step: Step, said: list[Claim], claims: list[Claim]) -> tuple[list[Claim], list[Lost]]:
    """What a step makes of the claims behind it, and what is lost in it."""

    def of(name: str) -> list[Claim]:
        return [claim for claim in said if claim[1] == name]

    match step:
        case Rename(old, new) | Wrap(old, new):
            return [_as(claim, new) for claim in of(old)], []
        case Sink(old):
            return [_as(claim, step.path) for claim in of(old)], []
        case Head(many, one):
            head = _head(of(many))
            return (
                [_as(claim, one) for claim in of(many) if (claim[0], exact(claim[2])) in head],
                [(claim, LIST) for claim in of(many) if (claim[0], exact(claim[2])) not in head],
            )
        case Remove(property):
            return [], [(claim, GONE) for claim in of(property)]
        case Convert(old, new):
            table = {exact(before): after for before, after in step.values}
            made = [_as(claim, new, table[exact(claim[2])]) for claim in of(old) if exact(claim[2]) in table]
            return made, [(claim, TABLE) for claim in of(old) if exact(claim[2]) not in table]
        case Split(whole, parts, by):
            pieces = [
                _as(claim, part, piece)
                for claim in of(whole)
                if isinstance(claim[2], str)
                for part, piece in zip(parts, claim[2].split(by, len(parts) - 1), strict=False)
            ]
            return pieces, [(claim, NO_TEXT) for claim in of(whole) if not isinstance(claim[2], str)]
        case Join(parts, whole, by):
            joined: list[Claim] = []
            for place, part in enumerate(parts):
                texts = [claim for claim in of(part) if isinstance(claim[2], str)]
                joined = list(_joined(joined, texts, by)) if place else texts
            gone = [(claim, NO_TEXT) for part in parts for claim in of(part) if not isinstance(claim[2], str)]
            return [_as(claim, whole) for claim in joined], gone
        case Hoist(thing, inner, new):
            inside = list(_inside(said, claims, thing, inner, new))
            return [*(_as(claim, new) for claim in of(step.path)), *inside], []
    return [], []


def _head(claims: list[Claim]) -> set[tuple[Any, object]]:
    """The things and values that were claimed first, by time, its counter and the fact."""
    first: dict[Any, Any] = {}
    for claim in claims:
        rank = (*claim[6:8], order(claim[3]))
        first[claim[0]] = min(first.get(claim[0], rank), rank)
    return {(claim[0], exact(claim[2])) for claim in claims if (*claim[6:8], order(claim[3])) == first[claim[0]]}


def _joined(left: list[Claim], right: list[Claim], by: str) -> Iterator[Claim]:
    """Texts of one thing with those of another part of it; whoever said the later of the two says both."""
    for one in left:
        others = [other for other in right if other[0] == one[0]]
        for other in others:
            later = other if other[6:8] > one[6:8] else one
            yield (one[0], one[1], str(one[2]) + by + str(other[2]), *later[3:])
        if not others:
            yield one
    things = {one[0] for one in left}
    yield from (other for other in right if other[0] not in things)


def _inside(said: Iterable[Claim], claims: Iterable[Claim], thing: str, inner: str, path: str) -> Iterator[Claim]:
    """What is said inside the things that a property leads to."""
    of: dict[object, list[Claim]] = {}
    for claim in claims:
        if claim[1] == inner:
            of.setdefault(exact(claim[0]), []).append(claim)
    for claim in list(said):
        if claim[1] == thing:
            for each in of.get(exact(claim[2]), ()):
                yield (claim[0], path, *each[2:])


def _as(claim: Claim, property: str, *value: Any) -> Claim:
    return (claim[0], property, value[0] if value else claim[2], *claim[3:])


def _key(claim: Claim) -> object:
    return (*claim[:2], exact(claim[2]), *claim[3:])


def _keyed(claims: Iterable[Claim]) -> Said:
    return {_key(claim): claim for claim in claims}

"""Histories of signed deltas of every shape: edges, groups, scopes, causes, links to what is not here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from rhizomedb.db.connection import Connection
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.testing.strategies import values

START_MS = 1_800_000_000_000
AHEAD_MS = 3_600_000
KEYS = [Key(bytes([number]) * 32) for number in (1, 2, 3)]

FOREIGN = [
    Cid.of(b"elsewhere"),
    Cid(b"\x01\x55\x12\x20" + bytes(range(32))),  # raw
    Cid(b"\x01\x70\x13\x40" + bytes(range(64))),  # dag-pb by sha2-512
    Cid(b"\x01\xa9\x02\x1e\x20" + bytes(range(32))),  # dag-json by blake3
]
"""Links to blocks that are in no database."""

entities = st.sampled_from([b"matrix", b"alien", b"\x00", bytes(range(64))])
attributes = st.sampled_from(["title", "name", "runtime", "é", 7, 2.5, b"\xff"])
said_values = st.one_of(values(), values(wide=True), st.sampled_from(FOREIGN), entities)

Draw = Callable[[st.SearchStrategy[Any]], Any]


def signed(number: int = 0, text: str = "x") -> Delta:
    """One small delta, for tests that need any."""
    fact = Fact(b"film %d" % number, "title", text)
    return Delta.sign(KEYS[0], system="s", time=HybridTime(START_MS, number), facts=[fact])


@st.composite
def histories(draw: Draw, *, held: bool = True) -> list[Delta]:
    """Deltas in an order in which they may arrive; with `held`, some that are kept back: early, or of part of a group."""
    earlier: list[Cid] = []
    deltas: list[Delta] = []
    for number in range(draw(st.integers(1, 5))):
        author = draw(st.sampled_from(KEYS))
        size = draw(st.sampled_from([1, 1, 1, 2, 3]))
        group = Group(b"group %d" % number, size) if size > 1 or draw(st.booleans()) else None
        ahead = held and draw(st.integers(0, 5)) == 0
        part: list[Delta] = []
        for place in range(size):
            facts = draw(st.lists(_facts(earlier), min_size=1, max_size=4, unique_by=lambda fact: fact.cid))
            part.append(
                Delta.sign(
                    author,
                    system=draw(st.sampled_from(["laptop", "ü"])),
                    time=HybridTime(START_MS + number + AHEAD_MS * ahead, place),
                    facts=facts,
                    edge=draw(st.none() | entities),
                    group=group,
                    scope=draw(st.sampled_from(["seen", "own"])),
                )
            )
            earlier += [fact.cid for fact in facts]
        if held and size > 1 and draw(st.integers(0, 3)) == 0:
            part.pop()
        deltas += part
    return draw(st.permutations(deltas))  # type: ignore[no-any-return]  # what a strategy draws has no type of its own


def _facts(earlier: list[Cid]) -> st.SearchStrategy[Fact]:
    known = st.sampled_from([*earlier, *FOREIGN])
    return st.builds(Fact, entities, attributes, said_values, st.lists(known, max_size=3, unique=True))


def shown(db: Connection) -> object:
    """Everything that a database shows: its views by each policy, what is contested, what stands and what fell."""
    return (
        [[repr(record) for record in db.records(policy=policy)] for policy in ("latest", "first", "all", "vote")],
        [conflict.as_dict() for conflict in db.conflicts()],
        {(fact.cid, fact.entity, repr(fact.attribute), repr(fact.value)) for fact in db.facts()},
        db.authors(),
    )

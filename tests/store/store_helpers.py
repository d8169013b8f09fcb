"""What the tests of the store say and compare: small pools of values that often meet, and everything a store shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

from hypothesis import strategies as st

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.store import ALL, COLUMNS, Cut, Store

KEYS = [Key(bytes([number]) * 32) for number in (1, 2, 3)]
NOW = 1_700_000_000_000

ENTITIES = [b"", b"a", b"ab", b"b", b"\xff" * 16, b"e" * 32, b"e" * 63, b"e" * 64, b"e" * 200, b"e" * 199 + b"f"]
ATTRIBUTES = ["name", "", 1, 1.0, b"name", "n" * 70, -7, 2**63 - 1]
VALUES = [
    True, False, 1, 0, 1.0, 0.0, 2.5, "1", "", b"1", b"", -1, 23, 24, 255, 256, -(2**63), 2**63 - 1, 1e300,
    "é" * 20, "t" * 61, "t" * 62, "t" * 63, "t" * 300, "t" * 299 + "u", b"b" * 62, b"b" * 500,
    Cid.of(b"somewhere"), Cid.parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"),
]  # fmt: skip
UNKNOWN = [Cid.of(b"unknown"), VALUES[-1]]


def delta(
    *facts: Fact, key: Key = KEYS[0], ms: int = NOW, counter: int = 0, edge: bytes | None = None,
    group: Group | None = None, scope: Any = "seen", system: str = "test",
) -> Delta:  # fmt: skip
    return Delta.sign(
        key, system=system, time=HybridTime(ms, counter), facts=facts, edge=edge, group=group, scope=scope
    )


def said(number: int, **parts: Any) -> Delta:
    """A delta of one fact, another for each number."""
    return delta(Fact(b"e%d" % number, "n", number), **parts)


def write(store: Store, deltas: Sequence[Delta], at_ms: int = NOW, origin: str = "test") -> int:
    with store.writing():
        epoch = store.begin(at_ms, origin)
        store.append(deltas, epoch)
    return epoch


@st.composite
def facts(draw: Any, causes: Sequence[Cid] = ()) -> Fact:
    pool = [*UNKNOWN, *causes]
    return Fact(
        draw(st.sampled_from(ENTITIES)),
        draw(st.sampled_from(ATTRIBUTES)),
        draw(st.sampled_from(VALUES)),
        draw(st.lists(st.sampled_from(pool), max_size=3)),
    )


@st.composite
def deltas(draw: Any, causes: Sequence[Cid] = ()) -> Delta:
    distinct = {fact.encode(): fact for fact in draw(st.lists(facts(causes), min_size=1, max_size=5))}
    return delta(
        *distinct.values(),
        key=draw(st.sampled_from(KEYS)),
        ms=draw(st.integers(0, 9)),
        counter=draw(st.integers(0, 2)),
        edge=draw(st.sampled_from([None, None, b"edge", b"g" * 90])),
        group=draw(st.sampled_from([None, None, Group(b"g", 2), Group(b"g", 3)])),
        scope=draw(st.sampled_from(["seen", "own"])),
    )


def bounds(relation: str, rows: Iterable[tuple[Any, ...]]) -> Iterable[dict[str, Any]]:
    """Every combination of columns, bound to what some rows hold."""
    columns = range(len(COLUMNS[relation]))
    for row in rows:
        for chosen in chain.from_iterable(combinations(columns, size) for size in range(len(columns) + 1)):
            yield {COLUMNS[relation][place]: row[place] for place in chosen}


def everything(store: Store, cuts: Iterable[Cut] = (ALL,)) -> dict[Any, Any]:
    """All that a store shows, but for `size`, which may differ."""
    shown: dict[Any, Any] = {
        "epoch": store.epoch(),
        "epochs": store.epochs(),
        "envelopes": list(store.envelopes()),
        "since 2": list(store.envelopes(2)),
        "last": store.last_time(),
        "held": sorted(store.held(), key=lambda held: held.id),
        "due": store.next_due(),
        "names": store.names(),
        "places": {row[0]: store.place(row[0]) for row in store.scan("delta", {}, ALL)},  # type: ignore[arg-type]  # a CID
    }
    for cut in cuts:
        for relation in COLUMNS:
            rows = list(store.scan(relation, {}, cut))
            shown[cut, relation] = set(rows)
            assert len(rows) == len(shown[cut, relation]), f"{relation} gives a tuple twice"
        shown[cut, "counts"] = store.counts(cut)
        shown[cut, "attributes"] = [(repr(each.attribute), each) for each in store.attributes(cut)]
        shown[cut, "entities"] = list(store.entities(cut))
    return shown

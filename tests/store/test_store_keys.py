"""Looking up many keys at once gives what looking each up by itself gives, in both stores, at every kind of cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import Exact
from rhizomedb.store import ALL, Cut, admit, open_store

KEYS_AT_ONCE = 128

NOW = 1_800_000_000_000
KEYS = [Key(bytes([n]) * 32) for n in (1, 2)]
VALUES = [1, 1.0, True, "x", "y" * 500, b"x"]


def deltas() -> list[Delta]:
    said, before = [], []
    for n in range(40):
        facts = [
            Fact(b"e%d" % (i % 50), f"a{i % 3}", VALUES[(i + n) % 6], before[-2:] if i % 4 == 0 else ())
            for i in range(n, n + 30)
        ]
        facts = list({fact.cid: fact for fact in facts}.values())
        before += [facts[0].cid]
        said.append(Delta.sign(KEYS[n % 2], system="t", time=HybridTime(NOW - 100 + n), facts=facts))
    return said


@pytest.fixture(scope="module", params=["memory", "file"])
def store(request, tmp_path_factory: pytest.TempPathFactory):
    path: str | Path = ":memory:" if request.param == "memory" else tmp_path_factory.mktemp("keys") / "k.db"
    store = open_store(path, create=True)
    for n, delta in enumerate(deltas()):
        admit(store, [delta.encode()], now_ms=NOW, origin=str(n))
    yield store
    store.close()


CUTS = [ALL, Cut(epoch=20), Cut(until=NOW - 80), Cut(since=NOW - 90), Cut(authors=frozenset([KEYS[0].public]))]
ASKED = [
    ("fact", {}, ("entity",)),
    ("fact", {}, ("entity", "attribute")),
    ("fact", {}, ("attribute", "entity")),
    ("fact", {}, ("value", "attribute")),
    ("fact", {}, ("value",)),
    ("fact", {}, ("$cid",)),
    ("fact", {"attribute": "a1"}, ("entity",)),
    ("fact", {"value": "x"}, ("entity",)),
    ("cause", {}, ("from",)),
    ("cause", {}, ("to",)),
    ("asserts", {}, ("fact",)),
    ("asserts", {}, ("delta",)),
    ("delta", {}, ("id",)),
    ("delta", {"scope": "seen"}, ("id",)),
    ("arrival", {}, ("delta",)),
]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize(("relation", "bound", "names"), ASKED, ids=str)
def test_many_keys_are_each_key(store, relation, bound, names, cut):
    from rhizomedb.store.store import COLUMNS

    at = [COLUMNS[relation].index(name) for name in names]
    held = {tuple(row[place] for place in at) for row in store.scan(relation, {}, ALL)}
    kinds = {"value": Exact(2.5), "entity": b"nowhere", "attribute": 7}
    held |= {tuple(kinds.get(name, Cid.of(b"nothing")) for name in names)}
    keys = sorted(held, key=repr)
    keys = keys * 1 if len(keys) >= KEYS_AT_ONCE else keys + [
        tuple(kinds.get(name, Cid.of(b"%d" % n)) if name not in ("entity",) else b"none%d" % n for name in names)
        for n in range(2 * KEYS_AT_ONCE + 5)
    ]  # fmt: skip
    keys = list(dict.fromkeys(keys))
    together = sorted(store.scan_keys(relation, bound, names, keys, cut), key=repr)
    apart = [row for key in keys for row in store.scan(relation, {**bound, **dict(zip(names, key, strict=True))}, cut)]
    assert together == sorted(apart, key=repr)

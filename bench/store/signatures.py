"""Checking signatures: `verify` of a file whose deltas say one fact each, beside libsodium alone with as many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.child import Watch
from bench.process import part
from bench.series import Series

REPEATS = 3

DELTAS = 20_000
QUICK_DELTAS = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` took for a file of so many deltas, and what the signatures alone take."""

    deltas: int
    whole: Series
    alone: Series


def verified(folder: Path, deltas: int) -> Verified:
    """Make the file and verify it."""
    path = folder / "signed.db"
    part("store.signatures", "write", path=path, deltas=deltas)
    runs = [part("store.signatures", "verify", path=path, deltas=deltas) for _ in range(REPEATS)]
    return Verified(deltas, Series.of(runs, "verify"), Series.of(runs, "alone"))


def write(_watch: Watch, path: str, deltas: int) -> None:
    """A file with so many deltas of one fact each."""
    from bench.store.ours import NOW_MS, START_MS, key
    from rhizomedb.facts.clock import HybridTime
    from rhizomedb.facts.delta import Delta
    from rhizomedb.facts.stretch import Stretch
    from rhizomedb.store.admit import admit
    from rhizomedb.store.open import open_store

    store, who = open_store(path, create=True), key()
    said = (
        Delta.sign(
            who,
            system="bench",
            time=HybridTime(START_MS + number, 0),
            facts=Stretch.from_columns([b"%016d" % number], ["status"], [number]),
        )
        for number in range(deltas)
    )
    assert admit(store, said, now_ms=NOW_MS, origin="bench").new == deltas, "every delta is new"
    store.close()


def verify(watch: Watch, path: str, deltas: int) -> None:
    """All that `verify` looks at; then as many signatures of payloads of that size, and nothing else."""
    from bench.store.ours import key
    from rhizomedb.facts import signature
    from rhizomedb.store.open import open_store

    store = open_store(path, create=False)
    with watch("verify"):
        findings = list(store.verify())
    assert not findings and store.totals(store.epoch())[0] == deltas, "the file is intact"
    _, envelope = next(iter(store.envelopes()))
    store.close()
    message, who = bytes(len(envelope)), key()
    signed = who.sign(message)
    with watch("alone"):
        assert all(signature.verify(who.public, message, signed) for _ in range(deltas))

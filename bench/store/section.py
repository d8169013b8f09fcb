"""The section on `store`: at which sizes, with whom, and the tables of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.report import Section
from bench.series import case_table, duration, mebibytes, table
from bench.store import memory, signatures, together
from bench.store.imports import case
from bench.store.measure import ALL_IN, ENGINES, LOADED, OURS, Room, Size
from bench.store.memory import import_held
from bench.store.must import must_be
from bench.store.signatures import verified
from bench.store.sizes import ASKED, ATTRIBUTES, FACTS_PER_DELTA, FACTS_PER_EPOCH, FACTS_PREPARED
from bench.store.together import measured, together_table

SIZES = {100_000: 3, 1_000_000: 3, 10_000_000: 1}
QUICK_SIZES = {10_000: 1, 50_000: 1}
"""Facts, and how often each is loaded and asked."""

ROWS = (1_000_000, 2)
QUICK_ROWS = (20_000, 1)
"""Rows of the table that is imported, and how often."""

PEER_FACTS_MAX = 1_000_000
PEER_SECONDS_MAX = 60
"""More facts than that are left to peers that would load them in this time if they went on as before."""

WHAT = f"""\
Facts from a fixed seed: an entity of 16 bytes, one of {len(ATTRIBUTES)} attributes, a value (whole numbers, short
texts and floats, mixed), and as its cause the fact about that entity that was last when its delta began; ten facts an
entity, seven of ten arriving entity by entity and the rest anywhere.

Loading takes columns that lie ready in memory ({FACTS_PREPARED:,} facts at a time, made outside the timer) to durable
commits, one for every {FACTS_PER_EPOCH:,} facts. Ours encodes, hashes, signs by the {FACTS_PER_DELTA:,} and indexes
them. The peers are handed digests that are made, and entities, attributes and values that are numbered, each in the
form that it takes best: SQLite (through apsw; WAL, synchronous) tuples for a table with a key, the digest and three
covering indexes (EAV, AEV, AVE); LMDB arrays for five trees, each batch in the order of the tree; DuckDB arrays for a
table with two indexes, which keeps values in place. None of them hashes, signs, or finds facts by their cause.

Asked are {ASKED} entities and {ASKED} facts, anywhere, each once and once more (`warm`); all rows are read as values,
and every engine must give the same. `attribute` reads entity, value and row of every fact of one attribute as numbers,
into arrays where the engine has any. Those are rows at the interface of the store, as every engine gives them; `db.get`
and `db.facts` are what a program that uses ours asks: the one also decides what stands and by whom, the other makes whole
facts with their causes. No peer does either. `open and get` is a fresh process's first question. Commits of one fact and the
`fdatasync` beside them take turns in one process; a clock between the store and its write-ahead log times each sync
inside a commit. `verify` checks a file of
deltas that say one fact each: all of it, not their signatures alone.

Writers who come together each have the file open, in threads of one process or in processes, and commit one fact after
another, durably; so does the peer, which begins each transaction as the writer. A sync a commit is how often a writer
called for the disk; those who call at once wait for one another's."""

TIMES = {
    LOADED: "load",
    ALL_IN: "load, merge and close",
    "entity first": "entity, first time",
    "entity warm": "entity, warm",
    "fact first": "fact by CID, first time",
    "fact warm": "fact by CID, warm",
    "api get": "`db.get` of an entity, warm",
    "api facts": "`db.facts` of an entity, warm",
    "attribute": "attribute",
    "open and get": "open and get",
    "import, open and get": "import, open and get",
    "make": "one fact encoded and signed",
    "commit": "commit of one fact",
    "sync": "sync inside it",
    "beyond": "both but for the sync",
    "append": "`fdatasync` beside it",
}


def run(folder: Path, *, quick: bool, given: Sequence[int] | None = None) -> Section:
    """Measure every size, or those that are given, once each."""
    usual = QUICK_SIZES if quick else SIZES
    chosen = usual if given is None else dict.fromkeys(given, 1)
    is_small = quick or given is not None
    middle = list(chosen)[min(1, len(chosen) - 1)]
    sizes: list[Size] = []
    left_out: list[str] = []
    for facts, repeats in chosen.items():
        engines, notes = _engines(facts, sizes)
        left_out += notes
        room = Room(folder, facts, engines)
        sizes.append(room.measure(repeats))
        if facts == middle:
            room.commits()
            writers = measured(room.path, together.QUICK_COMMITS if is_small else together.COMMITS)
        room.remove()
    imported = case(folder, *(QUICK_ROWS if is_small else ROWS))
    held = import_held(folder, memory.QUICK_ROWS if is_small else memory.ROWS)
    signed = verified(folder, signatures.QUICK_DELTAS if is_small else signatures.DELTAS)
    lines = must_be(sizes, next(size for size in sizes if size.facts == middle), imported, held, signed)
    notes = ["\n".join(left_out)] if left_out else []
    tables = (_times(sizes), *notes, _room(sizes), together_table(writers), case_table([imported]))
    return Section("store", WHAT, lines, tables)


def _engines(facts: int, before: Sequence[Size]) -> tuple[list[str], list[str]]:
    """Who takes part at a size, and what is to be said of those who do not."""
    if facts <= PEER_FACTS_MAX:
        return list(ENGINES), []
    smaller = before[-1]
    expected = {engine: smaller.of(LOADED, engine) * facts / smaller.facts for engine in smaller.series[LOADED]}
    out = [engine for engine in expected if engine != OURS and expected[engine] > PEER_SECONDS_MAX]
    notes = [
        f"- {ENGINES[engine]} was left out at {facts:,} facts: growing no more than linearly it would load them in "
        f"{duration(expected[engine])}, and {PEER_SECONDS_MAX} s is what a peer is given."
        for engine in out
    ]
    return [engine for engine in expected if engine not in out], notes


def _times(sizes: Sequence[Size]) -> str:
    rows = []
    for name, called in TIMES.items():
        before: Size | None = None
        for size in sizes:
            if name not in size.series:
                continue
            series = size.series[name]
            growth = "" if before is None else f"×{size.of(name) / before.of(name):.2g}"
            figures = (str(series[engine]) if engine in series else "" for engine in ENGINES)
            rows.append((called, f"{size.facts:,}", *figures, growth))
            before = size
    return table(("what", "facts", *ENGINES.values(), "growth, ours"), rows)


def _room(sizes: Sequence[Size]) -> str:
    rows = []
    for size in sizes:
        for what, figures in (
            ("bytes of disk a fact", {name: f"{count / size.facts:.0f} B" for name, count in size.bytes.items()}),
            (
                "memory to load, beyond the inputs",
                {name: mebibytes(count) for name, count in size.loading_bytes.items()},
            ),
            ("peak while asked", {name: mebibytes(of.peak_bytes) for name, of in size.series["entity warm"].items()}),
            (
                "peak of open and get",
                {name: mebibytes(of.peak_bytes) for name, of in size.series["open and get"].items()},
            ),
        ):
            rows.append((what, f"{size.facts:,}", *(figures.get(engine, "") for engine in ENGINES)))
    rows.sort(key=lambda row: row[0])
    return table(("room", "facts", *ENGINES.values()), rows)

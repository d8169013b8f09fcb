"""What must hold of the store, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bench.data import COLUMNS
from bench.report import MustBe
from bench.series import Case, duration, mebibytes
from bench.store.measure import ALL_IN, LOADED, OURS, Size
from bench.store.memory import Held
from bench.store.signatures import Verified
from bench.store.sizes import FACTS_PER_DELTA, FACTS_PER_EPOCH, SCANNED

LOADED_PER_SECOND_MIN = 200_000
IMPORTED_PER_SECOND_MIN = 150_000
COMMIT_SECONDS_MAX = 0.3e-3
ENTITY_SECONDS_MAX = 50e-6
FACT_SECONDS_MAX = 20e-6
ATTRIBUTE_SECONDS_MAX = 1e-3
BYTES_PER_FACT_MAX = 180
IDLE_BYTES_MAX = 60_000_000
IMPORTING_BYTES_MAX = 512 << 20
SIGNATURES_PER_SECOND_MIN = 5_000

OPEN_SECONDS_MAX = ((1_000_000, 30e-3), (10_000_000, 50e-3))
"""Up to how many facts, and how long."""

LINEAR_MAX = 1.15
"""How much more than linear the growth of a load may be, since times on one machine differ by as much."""

FLAT_MAX = 1.5
"""What still counts as flat, from one size to one ten times as large: caches of the processor are of one size."""


def must_be(sizes: Sequence[Size], middle: Size, imported: Case, held: Held, signed: Verified) -> list[MustBe]:
    """All lines. `middle` is the size at which the figures are asked for that name one."""
    lines = [
        _load(middle),
        _import(imported),
        _commit(middle),
        *_gets(sizes),
        _attribute(middle),
        *_opens([middle, sizes[-1]]),
        _bytes(sizes),
        _idle(sizes[-1]),
        _held(held),
        _signed(signed),
    ]
    return [*lines, *_growth(sizes)] if len(sizes) > 1 else lines


def _load(size: Size) -> MustBe:
    series = size.series[LOADED][OURS]
    rate, rate_cpu, all_in = (size.facts / seconds for seconds in (series.median, series.median_cpu, size.of(ALL_IN)))
    return MustBe(
        f"durable load of {size.facts:,} facts from memory (encoded, hashed, signed by the {FACTS_PER_DELTA:,}, indexed; "
        f"a durable commit for every {FACTS_PER_EPOCH:,}) at ≥ {LOADED_PER_SECOND_MIN:,} facts/s",
        rate >= LOADED_PER_SECOND_MIN,
        f"{rate:,.0f} facts/s ({size.facts / max(series.wall):,.0f} – {size.facts / min(series.wall):,.0f}; {rate_cpu:,.0f} "
        f"per CPU second, merging in the background among it); with the merging that goes on behind it and `close()` "
        f"{all_in:,.0f} facts/s",
    )


def _import(case: Case) -> MustBe:
    facts = case.size * len(COLUMNS)
    rate = facts / case.ours.median
    return MustBe(
        f"`rhizome import` of a CSV of {case.size:,} rows and {len(COLUMNS)} columns, the whole process, at "
        f"≥ {IMPORTED_PER_SECOND_MIN:,} facts/s",
        rate >= IMPORTED_PER_SECOND_MIN,
        f"{rate:,.0f} facts/s ({facts / case.ours.median_cpu:,.0f} per CPU second), peak {mebibytes(case.ours.peak_bytes)}",
    )


def _commit(size: Size) -> MustBe:
    names = ("beyond", "make", "commit", "sync", "append", "overwrite")
    beyond, make, commit, sync, append, overwrite = (size.of(name) for name in names)
    cpu = size.series["beyond"][OURS].median_cpu
    return MustBe(
        f"a durable commit of one fact (encoded, signed, admitted; in {size.facts:,}), beyond the disk's own sync, "
        f"≤ {duration(COMMIT_SECONDS_MAX)}",
        beyond <= COMMIT_SECONDS_MAX,
        f"{duration(beyond)} ({duration(cpu)} of CPU), the median of what each took but for the sync inside it; "
        f"{duration(make)} to encode and sign, {duration(commit)} to commit with {duration(sync)} of sync in it. `fdatasync` of "
        f"the same {size.figures['commit bytes']:,} bytes beside it, in turn in the same process: {duration(append)} appended to a "
        f"file, {duration(overwrite)} written over others; less the former a commit takes "
        f"{duration(max(0.0, make + commit - append))}",
    )


def _gets(sizes: Sequence[Size]) -> Iterator[MustBe]:
    for name, what, most in (
        ("entity warm", "the facts of an entity", ENTITY_SECONDS_MAX),
        ("fact warm", "a fact by its CID", FACT_SECONDS_MAX),
    ):
        yield MustBe(
            f"{what}, warm, at the store interface, ≤ {duration(most)} at every size",
            all(size.of(name) <= most for size in sizes),
            _each(sizes, name),
        )


def _each(sizes: Sequence[Size], name: str) -> str:
    return "; ".join(f"{duration(size.of(name))} in {size.facts:,}" for size in sizes)


def _attribute(size: Size) -> MustBe:
    return MustBe(
        f"the facts of an attribute ({size.facts // 20:,} or so) into columns ≤ {duration(ATTRIBUTE_SECONDS_MAX)}",
        size.of("attribute") <= ATTRIBUTE_SECONDS_MAX,
        f"{duration(size.of('attribute'))} for `{SCANNED}` in {size.facts:,} facts",
    )


def _opens(sizes: Sequence[Size]) -> Iterator[MustBe]:
    for found in {size.facts: size for size in sizes}.values():
        most = next(seconds for facts, seconds in OPEN_SECONDS_MAX if found.facts <= facts)
        yield MustBe(
            f"open {found.facts:,} facts and get an entity, in a fresh process that has imported the package, "
            f"≤ {duration(most)}",
            found.of("open and get") <= most,
            f"{duration(found.of('open and get'))}; {duration(found.of('import, open and get'))} with the imports",
        )


def _bytes(sizes: Sequence[Size]) -> MustBe:
    figures = [(size.facts, size.bytes[OURS] / size.facts) for size in sizes]
    return MustBe(
        f"bytes of disk a fact, all in, ≤ {BYTES_PER_FACT_MAX}",
        all(figure <= BYTES_PER_FACT_MAX for _, figure in figures),
        "; ".join(f"{figure:.0f} B in {facts:,}" for facts, figure in figures)
        + f" (a fact's own block is {sizes[-1].block_bytes:.0f} B)",
    )


def _idle(size: Size) -> MustBe:
    before, held, anonymous = (size.figures[name] for name in ("before", "open", "anonymous"))
    return MustBe(
        f"resident memory of a process with {size.facts:,} facts open and idle ≤ {IDLE_BYTES_MAX / 1e6:.0f} MB",
        held <= IDLE_BYTES_MAX,
        f"{held / 1e6:.1f} MB, of which {anonymous / 1e6:.1f} MB are its own and the rest pages of files; "
        f"{before / 1e6:.1f} MB with the modules imported and nothing open",
    )


def _held(held: Held) -> MustBe:
    return MustBe(
        f"memory of its own of a process that imports {held.facts:,} facts from a CSV file ≤ {mebibytes(IMPORTING_BYTES_MAX)}",
        held.anonymous_bytes <= IMPORTING_BYTES_MAX,
        f"{mebibytes(held.anonymous_bytes)} at most, seen every 10 ms, in {duration(held.seconds)}; "
        f"{mebibytes(held.peak_bytes)} with the pages of files that it had mapped, which the system takes back as it likes",
    )


def _signed(signed: Verified) -> MustBe:
    rate, alone = (signed.deltas / series.median_cpu for series in (signed.whole, signed.alone))
    return MustBe(
        f"`verify` of a file of {signed.deltas:,} deltas of one fact each at ≥ {SIGNATURES_PER_SECOND_MIN:,} signatures/s per core",
        rate >= SIGNATURES_PER_SECOND_MIN,
        f"{rate:,.0f} per CPU second with all that it looks at besides ({signed.deltas / signed.whole.median:,.0f} by the wall "
        f"clock); the signatures alone {alone:,.0f}",
    )


def _growth(sizes: Sequence[Size]) -> Iterator[MustBe]:
    for name, what, is_linear in (
        (LOADED, "a load grows no worse than linearly", True),
        ("entity warm", "a get of an entity does not grow", False),
        ("fact warm", "a get of a fact does not grow", False),
    ):
        steps = [
            (larger.of(name) / smaller.of(name), larger.facts / smaller.facts, larger.facts)
            for smaller, larger in pairwise(sizes)
        ]
        tolerated = f"×{LINEAR_MAX} tolerated" if is_linear else f"×{FLAT_MAX} a step tolerated"
        yield MustBe(
            f"{what} from {sizes[0].facts:,} to {sizes[-1].facts:,} ({tolerated})",
            all(factor <= (more * LINEAR_MAX if is_linear else FLAT_MAX) for factor, more, _ in steps),
            "; ".join(f"×{factor:.3g} to {facts:,}" for factor, _, facts in steps),
        )

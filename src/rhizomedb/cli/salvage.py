"""Saving deltas from a damaged file, and naming those that are lost."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import groupby

from rhizomedb.cli import out
from rhizomedb.cli.session import print_lines
from rhizomedb.errors import RequestError
from rhizomedb.exchange.archive import SUFFIXES
from rhizomedb.exchange.output import write_lines
from rhizomedb.facts.delta import Delta
from rhizomedb.store.salvage import Salvaged, salvage

Lost = tuple[str, str]
"""A record that could not be saved, and what is wrong with it."""


def export_salvaged(options: Namespace) -> int:
    """Write every delta of a file that is sound, whether the file opens or not."""
    moment = (options.as_of, options.since, options.epoch, options.by)
    as_archive = options.format is None and options.target.lower().endswith(SUFFIXES)
    if (
        as_archive
        or options.format not in (None, "jsonl")
        or options.policy != "latest"
        or any(part is not None for part in moment)
    ):
        raise RequestError(
            "db.usage",
            "--salvage saves every sound delta, as jsonl",
            fix="rhizome export FILE saved.jsonl --salvage",
        )
    rows: list[Salvaged] = []

    def lines() -> Iterator[str]:
        for row in salvage(options.file):
            if row.envelope is None:
                rows.append(row)
            else:
                yield Delta.decode(row.envelope).to_json()

    count = write_lines(lines(), options.target)
    return report(options, count, _ranges(rows))


def report(options: Namespace, count: int, lost: Sequence[Lost], format: str = "jsonl") -> int:
    """Say how many deltas were written and which were not; gives the exit code, which is 3 if anything was lost."""
    for record, problem in lost:
        out.note(f"{record}: {problem}")
    if options.target != "-" and options.json:
        records = [{"record": record, "message": problem} for record, problem in lost]
        print_lines([{"file": options.target, "format": format, "deltas": count, "lost": records}])
    elif options.target != "-":
        out.note(f"{out.plural(count, 'delta')} written to {options.target}")
    return 3 if lost else 0


def _ranges(rows: Sequence[Salvaged]) -> list[Lost]:
    """What is wrong with neighbours in the same way is said once."""
    named = []
    for (_, problem), group in groupby(enumerate(rows), lambda each: (each[1].seq - each[0], each[1].problem)):
        (_, first), *more = group
        named.append((f"deltas {first.seq} to {more[-1][1].seq}" if more else f"delta {first.seq}", str(problem)))
    return named

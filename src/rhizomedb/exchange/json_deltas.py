"""JSON deltas of the RhizomeDB reference, one object a line: unsigned statements of others, in and out without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rhizomedb._record import dataclass
from rhizomedb.db.connection import Connection
from rhizomedb.db.graph.relating import TAKEN, PassedOn
from rhizomedb.db.reader import Reader
from rhizomedb.errors import Error, ExchangeError, RequestError
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import BadRow, BadRows, Progress
from rhizomedb.hyper import json_delta
from rhizomedb.hyper.json_delta import JsonDelta
from rhizomedb.store.room import watched


@dataclass(frozen=True, slots=True)
class JsonImport:
    """What an import did: how many lines, what was said, and the lines that were not."""

    lines: int
    done: PassedOn
    bad: tuple[BadRow, ...] = ()
    bad_count: int = 0


def import_json_deltas(
    db: Connection,
    source: Source,
    *,
    author: str,
    origin: str,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> JsonImport:
    """Say what JSON deltas say, as `author`, who passes them on; whom they name as their author is kept as a claim.

    What is here already is said once. The first line that is no such delta stops the import, and nothing is written;
    with `skip_bad` those lines are left out, and told.
    """
    reading = _Lines(source, skip_bad, progress)
    statements = watched(reading, db.memory_bytes_max)
    try:
        done = db.pass_on(statements, author=author, origin=origin, refuse="collect" if skip_bad else "raise")
    except RequestError as error:
        if error.code != "hyper.taken":
            raise
        where = f"{source.name} line {reading.numbers[-1]}"  # the last that was asked for
        raise ExchangeError(error.code, error.message, where=where, fix="--skip-bad leaves it out") from None
    for place in done.refused:
        reading.bad.add(reading.numbers[place], "hyper.taken", TAKEN)
    return JsonImport(reading.count, done, tuple(reading.bad.kept), reading.bad.count)


def json_deltas(db: Reader) -> Iterator[str]:
    """Every hyperedge as the line of a JSON delta, what is taken back among them, in the order of claimed time."""
    for edge in db.hyperedges(negated="mark"):
        node = json_delta.of_hyperedge(edge, db.author_name(edge.author))
        yield json.dumps(node, ensure_ascii=False, separators=(",", ":"))


class _Lines:
    """The deltas of a file, and which lines were none."""

    def __init__(self, source: Source, skip_bad: bool, progress: Progress | None) -> None:
        self._source = source
        self._skip_bad = skip_bad
        self._progress = progress
        self.count = 0
        self.numbers: list[int] = []
        self.bad = BadRows()

    def __iter__(self) -> Iterator[JsonDelta]:
        with self._source.open() as opened:
            for number, line in enumerate(opened.lines(), 1):
                if line.strip():
                    self.count += 1
                    found = self._read(line, number)
                    if found is not None:
                        self.numbers.append(number)
                        yield found
                if self._progress is not None:
                    self._progress(opened.position(), self._source.bytes_total)

    def _read(self, line: str, number: int) -> JsonDelta | None:
        try:
            return json_delta.read(_parsed(line))
        except Error as error:
            if not self._skip_bad:
                where = f"{self._source.name} line {number}"
                raise ExchangeError(error.code, error.message, where=where, fix=error.fix or "--skip-bad") from None
            self.bad.add(number, error.code, error.message)
            return None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"the line is not JSON: {error}" if isinstance(error, ValueError) else "the line is nested too deep"
        raise ExchangeError("exchange.json", message) from None

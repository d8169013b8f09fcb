"""From what a file says to what a source says: tables, commit histories and exported deltas into a database.

A row is about one entity: the one that its key derives, or a new one where there is no key. Every cell is a value of
that entity. The import speaks for its source alone: it replaces what the same source said before and nothing else,
and saying the same again adds nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.db.connection import Connection
from rhizomedb.db.transaction import Columns, Transaction
from rhizomedb.errors import Error, ExchangeError, RequestError
from rhizomedb.exchange import archive
from rhizomedb.exchange.ahead import ahead
from rhizomedb.exchange.columns import BATCH_ROWS, said_by_rows
from rhizomedb.exchange.git import Commit, commits, roots
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import BadRow, Notice, Progress, Table
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.entity import derive
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import VALUE_BYTES_MAX, Entity
from rhizomedb.store import Admission
from rhizomedb.store.room import watched


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: rows read, what was new, and what a person should know."""

    rows: int
    transaction: Transaction
    notices: tuple[Notice, ...] = ()
    bad_rows: tuple[BadRow, ...] = ()
    bad_count: int = 0


def import_table(
    db: Connection,
    table: Table,
    *,
    author: str,
    key: Sequence[str] = (),
    origin: str | None = None,
    progress: Progress | None = None,
    plainly: bool = False,
) -> ImportReport:
    """Import a table as what `author` says; `key` columns name the entity of each row.

    The file is read in a thread of its own. `plainly` compares every value the long way, as `write_source` does.
    """
    notices = list(table.notices)
    check_names(table)
    if not key and table.rows_count > table.bad_count:
        notices.append(
            Notice("no-key", "no key was named: each row became a new entity, and importing again adds them again")
        )
    told, memory = _Told(), db.memory_bytes_max
    with ahead(lambda: told.beside(said_by_rows(table, key, told))) as batches:
        transaction = db.write_source(
            watched(_telling(batches, progress), memory),
            author=author,
            origin=origin or f"import of {table.name}",
            plainly=plainly,
        )
    return ImportReport(
        table.rows_count - table.bad_count, transaction, tuple(notices), table.bad_rows, table.bad_count
    )


def check_names(table: Table) -> None:
    """Refuse a table with a column that only the database itself may write."""
    for column in table.columns:
        if is_reserved(column):
            raise RequestError(
                "db.reserved",
                f"the column {column!r} has a name that is reserved for the database's own facts",
                where=f"{table.name} line 1",
                fix=f"--rename {shlex.quote(column)}=NAME",
            )


class _Told:
    """How far a reading is that goes on in a thread of its own, told to the progress in the thread that asked for it."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        self._last = (done, total)

    def beside(self, batches: Iterator[Columns]) -> Generator[_Step, None, None]:
        """The batches, and last nothing, each with what was told before it came."""
        for columns in batches:
            yield columns, self._last
        yield None, self._last


_Step = tuple[Columns | None, tuple[int, int] | None]


def _telling(steps: Iterable[_Step], progress: Progress | None) -> Iterator[Columns]:
    for columns, last in steps:
        if columns is not None:
            yield columns
        if progress is not None and last is not None:
            progress(*last)


COMMIT = "git/commit"


def commit_facts(history: Iterable[Commit], repository: Entity) -> Iterator[Fact]:
    """A history as facts: each commit is a write to its repository whose causes are the writes of its parents.

    The register ⟨repository, "git/commit"⟩ therefore holds the heads of the history: more than one is a fork that
    nobody has merged. What is said about a commit itself stands beside, without causes: nothing was there before it,
    and a view of a commit need not look at all that came before.
    """
    writes: dict[str, Cid] = {}
    for commit in history:
        write = Fact(repository, COMMIT, commit.sha, [writes[parent] for parent in commit.parents if parent in writes])
        writes[commit.sha] = write.cid
        yield write
        entity = derive({COMMIT: commit.sha})
        yield Fact(entity, COMMIT, commit.sha)
        yield Fact(entity, "git/author", _cut(commit.author_name))
        yield Fact(entity, "git/email", _cut(commit.author_email))
        yield Fact(entity, "git/time", commit.author_ms)
        yield Fact(entity, "title", _cut(commit.subject))
        # A merge has several parents and no disagreement: each is an attribute of its own.
        for place, parent in enumerate(commit.parents, 1):
            name = "git/parent" if place == 1 else f"git/parent/{place}"
            yield Fact(entity, name, derive({COMMIT: parent}))


def _cut(text: str) -> str:
    """A text of a commit, cut to what a value can hold: a history is not refused for one long line in it."""
    data = text.encode()
    if len(data) <= VALUE_BYTES_MAX:
        return text
    return data[: VALUE_BYTES_MAX - len("…".encode())].decode(errors="ignore") + "…"


def import_commits(
    db: Connection, folder: str, *, author: str, origin: str, progress: Progress | None = None
) -> ImportReport:
    """Import the commit history of a git repository as what `author` says. Clones of one repository meet."""
    first = next(iter(roots(folder)), None)
    if first is None:
        return ImportReport(0, Transaction(None), (Notice("empty", f"{folder} has no commits yet"),))
    count = 0

    def counted() -> Iterator[Commit]:
        nonlocal count
        for commit in commits(folder):
            count += 1
            if progress is not None:
                progress(count, 0)
            yield commit

    # The least root commit names the repository, so that every clone of it derives the same entity.
    repository = derive({"git/repository": first})
    name = os.path.basename(os.path.abspath(folder)).removesuffix(".git")
    facts = itertools.chain([Fact(repository, "name", name)], commit_facts(counted(), repository))

    def batches() -> Iterator[list[Fact]]:
        while batch := list(itertools.islice(facts, BATCH_ROWS)):
            yield batch

    transaction = db.write_source(watched(batches(), db.memory_bytes_max), author=author, origin=origin)
    return ImportReport(count, transaction)


def holds_deltas(source: Source) -> bool:
    """Whether a file is an export of deltas, an archive or a DAG-JSON envelope on each line, rather than a table."""
    return source.head.lstrip().startswith('[{"/"') or archive.is_archive(source)


_JSON_DELTA: Final = [re.compile(rf'"{key}"\s*:') for key in ("id", "timestamp", "author", "system", "pointers")]


def looks_like_json_deltas(head: str) -> bool:
    """Whether a file that begins so is JSON deltas, one a line: its first line is an object with all keys that they have."""
    first = head.lstrip().partition("\n")[0]
    return first.startswith("{") and all(key.search(first) for key in _JSON_DELTA)


def import_deltas(
    db: Connection, source: Source, *, origin: str, format: str | None = None, progress: Progress | None = None
) -> Admission:
    """Take in exported deltas: every signature is verified, what is known already is passed over.

    The format is `car` or `jsonl`; unless given, it is what the file looks like.
    """
    if _is_archive(source, format):
        return archive.import_archive(db, source, origin=origin, progress=progress)
    found = watched(envelopes(source, progress, format), db.memory_bytes_max, archive.LOOK_ENVELOPES)
    return db.admit(found, origin=origin)


def envelopes(source: Source, progress: Progress | None = None, format: str | None = None) -> Iterator[bytes]:
    """The envelopes of exported deltas, each verified; the first line or block that is not one stops the import."""
    if _is_archive(source, format):
        yield from archive.envelopes(source, progress)
        return
    with source.open() as opened:
        for number, line in enumerate(opened.lines(), 1):
            if line.strip():
                yield _envelope(line, f"{source.name} line {number}")
            if progress is not None:
                progress(opened.position(), source.bytes_total)


def _is_archive(source: Source, format: str | None) -> bool:
    return format == "car" or (format is None and archive.is_archive(source))


def _envelope(line: str, where: str) -> bytes:
    try:
        return Delta.from_json(line).encode()
    except Error as error:
        raise ExchangeError(
            "exchange.json",
            f"the line is not a delta that can be trusted: {error.code}: {error.message}",
            where=where,
            fix="export it again where it came from: rhizome export THEIRS.db deltas.jsonl",
        ) from None

"""Archives: every delta of a database as blocks of one CAR, which any IPLD tool can walk (docs/spec/archive.md).

The *root* block links *shards*, each shard links *envelopes*, and an envelope is the delta as it was signed. So every
byte is checked by a hash on the way from the root, each signature besides, and the root says what must be there: a
file that lost its end is found out, although a CAR may end after any block.

Written in one pass: what is held is the links of one shard and the CIDs of the shards. The root comes last, for it
needs all others, and its CID is then put in the header. Read in one pass, in any order of the blocks, in constant
memory: which blocks were listed and which were met is noted in a temporary file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import IO, Final, NoReturn, TextIO

import apsw

from rhizomedb.db.connection import Connection
from rhizomedb.errors import DeltaRefused, Error, ExchangeError, ValueRefused
from rhizomedb.exchange import car
from rhizomedb.exchange.output import opened_bytes
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import Progress
from rhizomedb.facts import codec
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.store import Admission
from rhizomedb.store.room import watched

FORMAT: Final = "rhizomedb/archive/1"
"""What the root of an archive calls itself."""

SHARD_LINKS: Final = 16_384
SHARDS_MAX: Final = 16_384
"""How many deltas a shard links, and how many shards the root does, as they are written: either stays below 1 MiB."""

SUFFIXES: Final = (".car", ".car.gz")

LOOK_ENVELOPES: Final = 64
"""How many deltas are taken in between two looks at the memory."""

_ENVELOPE_HEAD: Final = b"\x82\x58\x40"
"""How an envelope begins: a list of two, the first of them 64 bytes. The root and the shards are maps."""

_ROOT_KEYS: Final = {"count", "format", "shards"}
_EMPTY: Final = Cid.of(b"")
_ADVICE: Final = "copy the file again, whole, or export it again: rhizome export THEIRS.db deltas.car"


def is_archive(source: Source) -> bool:
    """Whether a file is, or calls itself, a CAR."""
    if source.name.lower().endswith(SUFFIXES):
        return True
    with source.open() as opened:
        return car.looks_like_car(opened.data.read(16))


# -- out of a database -------------------------------------------------------------------------------------------------


def write_archive(
    deltas: Iterable[Delta], path: str | os.PathLike[str] | None = None, *, stdout: TextIO | None = None
) -> int:
    """Write deltas as an archive, and say how many; `None` or `-` is standard output."""
    count = 0
    with opened_bytes(path, stdout) as (out, can_be_mended):
        if can_be_mended:
            count = _write(deltas, out)
        else:
            with _spooled() as spool:
                count = _write(deltas, spool)
                spool.seek(0)
                shutil.copyfileobj(spool, out, 1 << 20)
    return count


def _write(deltas: Iterable[Delta], out: IO[bytes]) -> int:
    """Write an archive to a file whose beginning can be written again at the end."""
    out.write(car.header(_EMPTY))
    count = 0
    links: list[Cid] = []
    shards: list[Cid] = []
    for delta in deltas:
        if len(shards) == SHARDS_MAX:
            raise ExchangeError(
                "exchange.unwritable",
                f"an archive holds at most {SHARDS_MAX * SHARD_LINKS:,} deltas",
                fix="rhizome export FILE deltas.jsonl, which has no such limit",
            )
        links.append(car.write_block(out, delta.encode()))
        count += 1
        if len(links) == SHARD_LINKS:
            shards.append(_write_shard(out, links))
            links = []
    if links:
        shards.append(_write_shard(out, links))
    root = car.write_block(out, codec.encode({"count": count, "format": FORMAT, "shards": shards}))
    out.seek(0)
    out.write(car.header(root))
    return count


def _write_shard(out: IO[bytes], links: list[Cid]) -> Cid:
    return car.write_block(out, codec.encode({"deltas": links}))


@contextmanager
def _spooled() -> Iterator[IO[bytes]]:
    """A temporary file for what goes to where nothing can be written twice: a pipe, a compressed file."""
    try:
        with tempfile.TemporaryFile(prefix="rhizome-") as spool:
            yield spool
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExchangeError(
            "exchange.unwritable",
            f"the archive cannot be written: {error.strerror or error}",
            fix="make room, or name a folder that has it in TMPDIR",
        ) from None


# -- into a database ---------------------------------------------------------------------------------------------------


def import_archive(db: Connection, source: Source, *, origin: str, progress: Progress | None = None) -> Admission:
    """Take in an archive, all of it or nothing: every hash and signature is verified, what is known is passed over."""
    try:
        with closing(_envelopes(source, progress)) as found:
            watching = watched((envelope for _, envelope in found), db.memory_bytes_max, LOOK_ENVELOPES)
            return db.admit(watching, origin=origin)
    except (DeltaRefused, ValueRefused):
        # The door verifies, and does not know sections: the one that it refused is looked up.
        for _ in envelopes(source):
            pass
        raise


def envelopes(source: Source, progress: Progress | None = None) -> Iterator[bytes]:
    """The envelopes of an archive, each verified as a delta; the first that is none stops the reading."""
    for reader, envelope in _envelopes(source, progress):
        try:
            Delta.decode(envelope)
        except Error as error:
            raise ExchangeError(
                "exchange.car-delta",
                f"the block is not a delta that can be trusted: {error.code}: {error.message}",
                where=reader.place,
                fix="export it again where it came from: rhizome export THEIRS.db deltas.car",
            ) from None
        yield envelope


def _envelopes(source: Source, progress: Progress | None = None) -> Generator[tuple[car.Reader, bytes]]:
    """The envelopes of an archive, of which only the hashes are verified yet; in the end, that none is missing."""
    with source.open() as opened, _Ledger(source.name) as ledger:
        reader = car.Reader(opened.data, opened.raw, source.name)
        root = reader.root()
        for cid, block in reader.blocks():
            if cid == root:
                ledger.count, shards = _read_root(block, reader)
                ledger.note(shards, LISTED_SHARD)
            elif block.startswith(_ENVELOPE_HEAD):
                ledger.note([cid], IS_DELTA)
                yield reader, block
            else:
                ledger.note(_read_shard(block, reader), LISTED_DELTA)
                ledger.note([cid], IS_SHARD)
            if progress is not None:
                progress(opened.position(), source.bytes_total)
        ledger.settle()


def _read_root(block: bytes, reader: car.Reader) -> tuple[int, list[Cid]]:
    """How many deltas the root says there are, and its links to shards."""
    said = _decoded(block, "root", reader)
    kind = said.get("format")
    if kind != FORMAT:
        named = f"it calls itself {kind!r:.60}" if isinstance(kind, str) else "its root says no format"
        _refuse(f"this is no archive of deltas, version 1: {named}", reader)
    count = said.get("count")
    if said.keys() != _ROOT_KEYS or type(count) is not int or count < 0:
        _refuse(f"the root has not exactly {', '.join(sorted(_ROOT_KEYS))}, or no whole number as its count", reader)
    return count, _links(said["shards"], "root", reader)


def _read_shard(block: bytes, reader: car.Reader) -> list[Cid]:
    """The links of a shard to envelopes."""
    said = _decoded(block, "block", reader)
    if said.keys() != {"deltas"}:
        _refuse("the block is neither the root nor a shard nor a delta", reader)
    return _links(said["deltas"], "shard", reader)


def _decoded(block: bytes, what: str, reader: car.Reader) -> dict[str, codec.Node]:
    try:
        said = codec.decode(block)
    except Error as error:
        _refuse(f"the {what} cannot be read: {error.code}: {error.message}", reader)
    return said if isinstance(said, dict) else {}


def _links(said: codec.Node, what: str, reader: car.Reader) -> list[Cid]:
    if not isinstance(said, list) or not all(isinstance(link, Cid) and link.is_block for link in said):
        _refuse(f"the {what} lists what is no link to a dag-cbor block by sha2-256", reader)
    return said


def _refuse(message: str, reader: car.Reader) -> NoReturn:
    raise ExchangeError("exchange.car-block", message, where=reader.place, fix=_ADVICE) from None


LISTED_SHARD, LISTED_DELTA, IS_SHARD, IS_DELTA = 1, 2, 4, 8
"""What is noted of a block: that the root or a shard lists it, and as what it was met."""


class _Ledger:
    """What an archive lists and what was met in it, in a temporary file of SQLite's, which grows and not the memory."""

    def __init__(self, name: str) -> None:
        self.count: int | None = None
        """How many deltas the root says there are, once it was met."""
        self._name = name
        self._file = apsw.Connection("")
        for statement in (
            "PRAGMA journal_mode=OFF",
            f"PRAGMA cache_size=-{16 << 10}",  # KiB
            "CREATE TABLE block(digest BLOB PRIMARY KEY, marks INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._file.execute(statement)

    def __enter__(self) -> _Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, cids: Iterable[Cid], mark: int) -> None:
        """Note of blocks that they are listed, or met."""
        # All CIDs of an archive begin alike: the digest is what tells them apart.
        rows = ((bytes(cid)[len(PREFIX) :], mark) for cid in cids)
        with _failures_of_noting(self._name):
            self._file.executemany(
                "INSERT INTO block VALUES(?, ?) ON CONFLICT DO UPDATE SET marks = marks | excluded.marks", rows
            )

    def settle(self) -> None:
        """Refuse an archive that lacks what it lists, or holds what it does not list."""
        if self.count is None:
            raise self._fault("the root is not in it: it was cut short, or is no archive of deltas")
        with _failures_of_noting(self._name):
            for condition, what in _FAULTS:
                digest, found = self._file.execute(f"SELECT min(digest), count(*) FROM block WHERE {condition}").get
                if found:
                    words = "1 block is" if found == 1 else f"{found:,} blocks are"
                    among = "" if found == 1 else " and others"
                    raise self._fault(f"{words} {what}: {Cid(PREFIX + digest)}{among}")
            listed = self._file.execute(f"SELECT count(*) FROM block WHERE marks & {LISTED_DELTA}").get
        if listed != self.count:
            raise self._fault(f"the count of its root is {self.count:,}, and the deltas that it lists are {listed:,}")

    def _fault(self, message: str) -> ExchangeError:
        return ExchangeError("exchange.car-incomplete", message, where=self._name, fix=_ADVICE)


_FAULTS: Final = (
    (f"NOT marks & {IS_SHARD | IS_DELTA}", "listed and not in it"),
    (f"NOT marks & {LISTED_SHARD | LISTED_DELTA}", "in it and not listed"),
    (f"marks NOT IN ({LISTED_SHARD | IS_SHARD}, {LISTED_DELTA | IS_DELTA})", "listed as another kind of block"),
)
"""What can be wrong with what was noted of a block, and how it is said."""


@contextmanager
def _failures_of_noting(name: str) -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise ExchangeError(
            "exchange.unreadable",
            f"what an archive lists cannot be noted in a temporary file: {error}",
            where=name,
            fix="make room, or name a folder that has it in TMPDIR",
        ) from None

"""The file beneath a store: SQLite through apsw, of which no error gets past this module.

What a write promises when it returns is its *durability*:

    full     it is on the disk: it survives the loss of power. The default.
    normal   it survives the end of the process, however it ends; the loss of power may undo the last writes, never
             half of one.
    memory   nothing is ever waited for: it survives the end of the process; after the loss of power the file may need
             `rhizome export --salvage`, whatever was promised of earlier writes. For a file that can be made again.

A full write waits for the disk after it has let the next writer in, so that writers who come together share one wait
(group commit). A file is data from a stranger: its schema must be ours to the letter, and nothing in it runs (no
triggers, views or functions in the schema).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from rhizomedb.errors import RequestError, StoreError, nearest_names
from rhizomedb.store import forks, holder, upgrade
from rhizomedb.store.failure import Blank, Failures, Moved
from rhizomedb.store.layout import APPLICATION_ID, FORMAT, INDEX, LOG
from rhizomedb.store.place import check_place, identity, is_shared, may_make_files
from rhizomedb.store.writing import Open

if TYPE_CHECKING:
    import apsw

Durability: TypeAlias = Literal["full", "normal", "memory"]

CACHE_KIB: Final = 64 * 1024
"""How much of the file is kept in memory."""

WAL_KEPT_BYTES: Final = 64 << 20
"""How large the write-ahead log may stay after a great write."""

NAP_S_MAX: Final = 0.02
"""The longest pause between two tries to become the writer."""

TOLD_AFTER_S: Final = 1.0
"""How long a write waits before who wants to know is told."""

MAKING_S_MAX: Final = 0.5
"""How long a file that holds nothing yet may take until who is making it has done so."""


def check_durability(durability: Durability) -> Durability:
    """The durability itself, if there is one of that name."""
    if durability not in get_args(Durability):
        raise RequestError(
            "db.usage",
            f"there is no durability {durability!r}",
            nearest=nearest_names(str(durability), get_args(Durability)),
            fix=" or ".join(map(repr, get_args(Durability))),
        )
    return durability


class File:
    """One connection to one database file. Every failure is a `StoreError`, and calls the file what the user calls it."""

    def __init__(
        self,
        path: str,
        *,
        create: bool,
        wait_ms: int,
        durability: Durability = "full",
        vfs: str = "",
        name: str = "",
        waiting: holder.Waiting | None = None,
        share: float = 1.0,
    ) -> None:
        import apsw  # 10 ms, which only those who open a file should pay

        self.durability = check_durability(durability)
        self.format = FORMAT
        self.was_upgraded = False
        self._vfs = vfs
        self._log: apsw.VFSFile | None = None
        self._apsw = apsw
        self._owner = os.getpid(), get_ident()
        self._connection: apsw.Connection | None = None
        self._asker: apsw.Cursor | None = None  # kept, for every read asks
        self.absolute = os.path.realpath(path)
        self.path = self.name = name or path
        self.wait_ms = wait_ms
        self.failures = Failures(self.name, self.path, self.absolute, wait_ms)
        """What is said of it when something is wrong."""
        self.damaged, self.salvage = self.failures.damaged, self.failures.salvage
        self._cache_kib = int(CACHE_KIB * share)
        self._waiting = waiting
        self._is_told = False
        self._deadline = 0.0
        self._patience_ms = wait_ms
        self.is_writing = False
        self.is_committed = False
        self._ended: StoreError | None = None
        self.undone = 0
        self.data_version = 0
        self._place: tuple[int, int] | None = None
        self._log_place: tuple[int, int] | None = None
        self._is_alone = False
        forks.OPEN.add(self)
        deadline = time.monotonic() + min(wait_ms / 1000, MAKING_S_MAX)
        while self._place is None:
            try:
                check_place(self.path, self.absolute, self.failures, create=create, vfs=self._vfs)
                self._open(create)
                self._log_place = identity(f"{self.absolute}-wal")
                self._place = identity(self.absolute)
                if self._place is None:  # somebody has taken it away since
                    self.close()
            except apsw.Error as error:
                ours = self._as_ours(error)  # before the connection is closed, which knows what the system said
                self.close()
                raise ours from error
            except (Blank, Moved):
                self.close()
                if time.monotonic() >= deadline:
                    raise
                time.sleep(NAP_S_MAX)
            except BaseException:
                self.close()
                raise

    # -- opening ----------------------------------------------------------------------------------------------------

    def _open(self, create: bool) -> None:
        apsw = self._apsw
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        self._connection = apsw.Connection(self.absolute, flags=flags, vfs=self._vfs or None)
        try:
            self._set_up(create)
        except (StoreError, apsw.Error) as error:
            # SQLite reads a file with a write-ahead log only beside files that processes share, which cannot be made
            # on a medium that is read-only. Where there are none, nobody writes: then the file can be read alone.
            ours = error if isinstance(error, StoreError) else self._as_ours(error)
            if (
                ours.code not in ("store.unreadable", "store.read-only")
                or is_shared(self.absolute)
                or may_make_files(self.absolute)
            ):
                raise
            self._connection.close()
            self._is_alone = True
            where = f"file:{quote(self.absolute)}?immutable=1"
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            self._connection = apsw.Connection(where, flags=flags, vfs=self._vfs or None)
            self._set_up(False)

    def _set_up(self, create: bool) -> None:
        apsw, connection = self._apsw, self._connection
        assert connection is not None, "the file is open"
        connection.set_busy_handler(self._wait)
        for switch, on in (
            (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
            (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
            (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
            (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
        ):
            connection.config(switch, on)
        connection.execute(
            f"PRAGMA cache_size=-{self._cache_kib}; PRAGMA fullfsync=ON; PRAGMA temp_store=MEMORY;"
            f"PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; PRAGMA journal_size_limit={WAL_KEPT_BYTES}"
        )
        if create and self._is_blank():
            self._create()
        self._check_header()
        if not self.read_only and self._pragma("journal_mode") != "wal":
            self._use_wal()
        # In a write-ahead log NORMAL keeps order and loses nothing to a killed process; `full` adds its own wait.
        self.run(f"PRAGMA synchronous={'OFF' if self.durability == 'memory' else 'NORMAL'}")
        if self.format != FORMAT and not self.read_only:
            self._upgrade()

    def _create(self) -> None:
        self._use_wal()
        with self.transaction():
            if self._is_blank():  # another process may have been first
                self.run("; ".join((*LOG, *INDEX)))
                self.run(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}")

    def _use_wal(self) -> None:
        # SQLite does not wait by itself when two processes make the same file.
        deadline = time.monotonic() + self.wait_ms / 1000
        while True:
            try:
                self.run("PRAGMA journal_mode=WAL")
                return
            except StoreError as error:
                if error.code != "store.busy" or time.monotonic() > deadline:
                    raise
                time.sleep(NAP_S_MAX)

    def _is_blank(self) -> bool:
        return self._pragma("application_id") == 0 and not self.run("SELECT 1 FROM sqlite_schema LIMIT 1")

    def _check_header(self) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            raise (
                self.failures.foreign("holds nothing", Blank)
                if self._is_blank()
                else self.failures.foreign("belongs to another program")
            )
        version = self._pragma("user_version")
        if version > FORMAT:
            raise StoreError(
                "store.newer-format",
                f"{self.name} has format {version}; this version of RhizomeDB reads up to {FORMAT}",
                fix="pip install --upgrade rhizomedb",
            )
        found = {text for (text,) in self.run("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        if found != ({*LOG, *INDEX} if version == FORMAT else upgrade.TABLES.get(version)):
            raise self.damaged("its tables are not the ones that it was made with", fix=self.salvage)
        self.format = version

    def _upgrade(self) -> None:
        with self.transaction():
            version = self._pragma("user_version")
            if version != FORMAT:  # else another process has done it
                for statement in upgrade.steps(self, version):
                    self.run(statement)
                self.run(f"PRAGMA user_version={FORMAT}")
        self.format, self.was_upgraded = FORMAT, True

    def version(self) -> tuple[int, int]:
        """What is another whenever something else is in the file than this connection has read or written."""
        return self.written_by_others(), self.undone

    def written_by_others(self) -> int:
        """What is another whenever somebody else has written to the file."""
        connection = self._open_connection()
        asker = self._asker
        try:
            if asker is None:
                asker = self._asker = connection.cursor()
            version: int = asker.execute("PRAGMA data_version").get
        except self._apsw.Error as error:
            raise self._as_ours(error) from error
        except BaseException:  # Ctrl-C: a statement that is left open would keep this connection at its moment
            self._asker = None
            if asker is not None:
                asker.close(force=True)
            raise
        return version

    @property
    def connection(self) -> Any:
        """The connection as it is, of whichever thread; None where the file is closed."""
        return self._connection

    def _pragma(self, name: str) -> Any:
        return self.run(f"PRAGMA {name}")[0][0]

    @property
    def read_only(self) -> bool:
        """Whether the file can be read but not written."""
        return self._connection is not None and self._connection.readonly("main")

    # -- running ----------------------------------------------------------------------------------------------------

    def run(self, sql: str, bindings: Any = ()) -> list[Any]:
        """All rows of one statement. Nothing stays open behind it, so a read never stands in the way of a write."""
        connection = self._open_connection()
        try:
            return connection.execute(sql, bindings).fetchall()
        except self._apsw.Error as error:
            raise self._as_ours(error) from error
        except (ValueError, OverflowError) as error:  # such as a text in the file that is not UTF-8
            raise self.damaged(str(error)) from error

    def _open_connection(self) -> apsw.Connection:
        """The connection, for the thread that opened it."""
        if self._connection is None:
            raise StoreError("store.closed", f"{self.name} is closed")
        self.check_owner()
        if self._ended is not None:  # else each statement that follows would be a write of its own
            raise self._ended
        if self._is_alone and is_shared(self.absolute):
            raise StoreError(
                "store.unreadable",
                f"{self.name} was opened where nothing can be written, and somebody has begun to write to it",
                fix="close it and open it again",
            )
        return self._connection

    def check_owner(self) -> None:
        """Refuse what another process or thread asks than the one that opened the file, while it is open."""
        if self._connection is None:
            return
        process, thread = self._owner
        if os.getpid() != process:
            # No lock passes to it, so nobody would wait for what it writes, nor keep the log that it writes to.
            raise StoreError(
                "store.process",
                f"{self.name} was opened by the process that this one was forked from; no lock passes to a child",
                fix="open the file once in each process, after the fork",
            )
        if get_ident() != thread:
            raise StoreError(
                "store.thread",
                f"{self.name} was opened by another thread; an open database belongs to the thread that opened it",
                fix="open the file once in each thread: several may be open at once",
            )

    def typed(self, types: tuple[Any, ...], sql: str, bindings: Any = ()) -> list[Any]:
        """All rows, if their values have these types: in a file that was altered they may have any."""
        rows = self.run(sql, bindings)
        for row in rows:
            if not all(map(isinstance, row, types)):
                raise self.damaged("a value is not of the type of its column")
        return rows

    def run_many(self, sql: str, rows: Iterable[Any]) -> None:
        """One statement for each row."""
        connection = self._open_connection()
        try:
            connection.executemany(sql, rows)
        except self._apsw.Error as error:
            raise self._as_ours(error) from error
        except (ValueError, OverflowError) as error:  # a number in the file that nobody wrote
            raise self.damaged(str(error)) from error

    def _check_place(self) -> None:
        """Refuse to write where another file has taken the place of the one that was opened."""
        if self._place is None:  # it is being made
            return
        if identity(self.absolute) != self._place:
            raise self.failures.replaced()
        if self._log_place is not None and identity(f"{self.absolute}-wal") != self._log_place:
            raise self.failures.log_replaced()

    def transaction(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """Become the one writer; keep everything at the end, or nothing when anything is raised.

        `wait_ms`: how long to wait for another writer this time. Who catches what is raised calls `abandon`: Ctrl-C may
        come just as this is left.
        """
        return Open(partial(self.begin, wait_ms), self.commit, self.abandon)

    def begin(self, wait_ms: int | None = None) -> None:
        """Become the one writer; nothing is begun where this raises."""
        if self.read_only:
            raise self.failures.read_only()
        assert not self.is_writing, "a transaction does not begin inside another"
        self.is_committed = False
        self._ended = None
        self._patience_ms = self.wait_ms if wait_ms is None else wait_ms
        self._open_connection()
        try:
            self._roll_back()  # what a second Ctrl-C kept from being taken back
            ((self.data_version,),) = self.run("BEGIN IMMEDIATE; PRAGMA data_version")
            self.is_writing = True
            self._check_place()
        except BaseException:
            self.abandon()
            raise

    def commit(self) -> None:
        """Keep everything since `begin`. Where this raises, `is_committed` says whether it is kept all the same."""
        is_asked = False
        try:
            self._check_place()
            is_asked = True
            self.run("COMMIT")
            self.is_committed = True
        except BaseException as error:
            # An error is SQLite's own; anything else, such as Ctrl-C, may come when SQLite has done it.
            self.is_committed = is_asked and not isinstance(error, StoreError) and not self._is_open()
            self.abandon()
            raise
        self.is_writing = False
        self._patience_ms = self.wait_ms
        if self.durability == "full":
            self._wait_for_disk()

    def abandon(self) -> None:
        """Take back what is open, whatever it is; nothing where nothing is."""
        self.is_writing = False
        self._ended = None
        self._patience_ms = self.wait_ms
        self.undone += 1
        self._roll_back()

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Read what belongs together, whatever others write meanwhile; inside a write it does anyway.

        Who catches what is raised calls `abandon`, unless inside a write: Ctrl-C may come just as this is left.
        """
        return nullcontext() if self.is_writing else Open(self._begin_reading, self._roll_back, self._roll_back)

    def _begin_reading(self) -> None:
        self._open_connection()
        try:
            self._roll_back()
            self.run("BEGIN")
        except BaseException:
            self._roll_back()
            raise

    def _is_open(self) -> bool:
        return self._connection is not None and self._connection.in_transaction

    def _roll_back(self) -> None:
        if self._is_open() and os.getpid() == self._owner[0]:  # a child takes back nothing of its parent's (`forks`)
            with suppress(self._apsw.Error):  # SQLite has rolled back by itself, or the file is what is wrong
                self.connection.execute("ROLLBACK")

    def _wait_for_disk(self) -> None:
        """Wait until what was committed is on the disk. Others write meanwhile, and whoever waits, waits for all."""
        apsw = self._apsw
        try:
            if self._log is None:
                flags = [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0]
                self._log = apsw.VFSFile(self._vfs, f"{self.absolute}-wal", flags)
            self._log.xSync(apsw.SQLITE_SYNC_FULL | apsw.SQLITE_SYNC_DATAONLY)
        except apsw.Error as error:
            raise StoreError(
                "store.not-durable",
                f"{self.name} was written, but the disk does not confirm that it was kept: {error}",
                fix="look after the disk; saying the same again is safe",
            ) from error

    def close(self) -> None:
        """Let the file go. What is not committed is not kept."""
        self.check_owner()
        connection, self._connection = self._connection, None
        self._asker = None
        log, self._log = self._log, None
        if log is not None:
            with suppress(self._apsw.Error):
                log.xClose()
        if connection is not None:
            try:
                connection.close()
            except self._apsw.Error:
                connection.close(force=True)

    # -- errors -----------------------------------------------------------------------------------------------------

    def _wait(self, tries: int) -> bool:
        """Called while another process writes. In Python, so that Ctrl-C ends it."""
        now = time.monotonic()
        if tries == 0:
            self._deadline = now + self._patience_ms / 1000
            self._is_told = self._waiting is None
        if now >= self._deadline:
            return False
        if not self._is_told and now >= self._deadline - self._patience_ms / 1000 + TOLD_AFTER_S:
            assert self._waiting is not None, "who is to be told is there"
            self._is_told = True
            self._waiting(self._deadline - now, holder.writer(self.absolute))
        time.sleep(min(0.001 * (tries + 1), NAP_S_MAX))
        return True

    def _as_ours(self, error: apsw.Error) -> StoreError:
        system_errno = 0 if self._connection is None else self._connection.system_errno
        ours = self.failures.of(error, system_errno, is_open=self._place is not None)
        if self.is_writing and not self._is_open():  # SQLite has taken back the whole write, as it does on a full disk
            self._ended = ours
        return ours

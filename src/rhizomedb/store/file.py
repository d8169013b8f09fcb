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

import errno
import os
import shlex
import stat
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from rhizomedb.errors import RequestError, StoreError, nearest_names
from rhizomedb.store import holder, stranger, upgrade
from rhizomedb.store.layout import APPLICATION_ID, FORMAT, INDEX, LOG
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

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says where there is no room, beyond what SQLite itself takes for that."""

BESIDE: Final = ("-wal", "-shm", "-journal")
"""How the names end of what SQLite keeps beside a file: its logs, and what processes share."""

_MAGIC: Final = b"SQLite format 3\x00"


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


class _Blank(StoreError):
    """The file holds nothing, or nothing yet: another process may be making it."""


class _Moved(StoreError):
    """Another file has taken the place of this one."""


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
        self._cache_kib = int(CACHE_KIB * share)
        self._waiting = waiting
        self._is_told = False
        self._deadline = 0.0
        self._patience_ms = wait_ms
        self.is_writing = False
        self.is_committed = False
        self.undone = 0
        self.data_version = 0
        self._place: tuple[int, int] | None = None
        self._log_place: tuple[int, int] | None = None
        self._is_alone = False
        deadline = time.monotonic() + min(wait_ms / 1000, MAKING_S_MAX)
        while self._place is None:
            try:
                self._look(create)
                self._open(create)
                self._log_place = _place(f"{self.absolute}-wal")
                self._place = _place(self.absolute)
                if self._place is None:  # somebody has taken it away since
                    self.close()
            except apsw.Error as error:
                ours = self._as_ours(error)  # before the connection is closed, which knows what the system said
                self.close()
                raise ours from error
            except (_Blank, _Moved):
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
            if ours.code not in ("store.unreadable", "store.read-only") or self._is_shared() or self._may_make_files():
                raise
            self._connection.close()
            self._is_alone = True
            where = f"file:{quote(self.absolute)}?immutable=1"
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            self._connection = apsw.Connection(where, flags=flags, vfs=self._vfs or None)
            self._set_up(False)

    def _may_make_files(self) -> bool:
        """Whether files can be made beside this one, as far as the one who runs this process is concerned."""
        return os.access(os.path.dirname(self.absolute), os.W_OK, effective_ids=os.access in os.supports_effective_ids)

    def _is_shared(self) -> bool:
        """Whether there is what processes share that have the file open, or what one of them left behind."""
        return any(os.path.lexists(self.absolute + end) for end in BESIDE)

    def _look(self, create: bool) -> None:
        """Say what is wrong with the path before SQLite says it less well."""
        try:
            self.absolute.encode("utf-8")
        except UnicodeEncodeError:
            raise StoreError(
                "store.unreadable",
                f"{self.path} cannot be opened: the name is not UTF-8, which SQLite needs",
                fix="give the file, or the folder that it is in, another name",
            ) from None
        self._look_beside()
        try:
            mode = os.stat(self.absolute).st_mode
        except FileNotFoundError:
            folder = os.path.dirname(os.path.abspath(self.path))
            if not create:
                raise StoreError("store.not-found", f"there is no file {self.path}") from None
            if not os.path.isdir(folder):
                raise StoreError("store.unreadable", f"there is no folder {folder}", fix=f"mkdir -p {folder}") from None
            return
        except (OSError, ValueError) as error:
            raise StoreError("store.unreadable", f"{self.path} cannot be opened: {_reason(error)}") from None
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a file"
            raise StoreError("store.unreadable", f"{self.path} is {kind}", fix="name a file, such as films.db")
        head = self._head()
        if not head.startswith(_MAGIC) and (head or not create):
            if not head:
                raise self._foreign("is empty", _Blank)
            what, right = stranger.looks_like(head, self.path)
            raise self._foreign(f"looks like {what}", fix=right)

    def _look_beside(self) -> None:
        """Refuse what would let SQLite wait for ever in the place of what it keeps beside a file."""
        for end in BESIDE:
            try:
                mode = os.lstat(self.absolute + end).st_mode
            except (OSError, ValueError):
                continue
            if not stat.S_ISREG(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "not a file"
                raise StoreError(
                    "store.unreadable",
                    f"{self.path} cannot be opened: {self.path}{end}, where SQLite keeps what it needs, is {kind}",
                    fix=f"move it away: mv {shlex.quote(self.path + end)} elsewhere",
                )

    def _head(self) -> bytes:
        """The first bytes of the file, read through SQLite: to close a file behind its back would drop its locks."""
        apsw = self._apsw
        try:
            file = apsw.VFSFile(self._vfs, self.absolute, [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
            try:
                head: bytes = file.xRead(min(file.xFileSize(), stranger.HEAD_BYTES), 0)
                return head
            finally:
                file.xClose()
        except apsw.IOError:  # it was made shorter meanwhile
            return b"" if os.path.getsize(self.absolute) == 0 else b"?"
        except apsw.Error as error:
            raise StoreError("store.unreadable", f"{self.path} cannot be read: {error}") from None

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
                self._foreign("holds nothing", _Blank)
                if self._is_blank()
                else self._foreign("belongs to another program")
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
        if self._is_alone and self._is_shared():
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
        if _place(self.absolute) != self._place:
            raise self._replaced()
        if self._log_place is not None and _place(f"{self.absolute}-wal") != self._log_place:
            raise _Moved(
                "store.unreadable",
                f"{self.name}-wal, in which the newest of {self.name} is, was removed or replaced while it was open; "
                "nothing was written",
                fix="close it and open it again, and look at what is there: rhizome verify",
            )

    def _replaced(self) -> StoreError:
        return _Moved(
            "store.unreadable",
            f"{self.name} was moved or replaced while it was open; nothing was written",
            fix="close it and open it again; restore a backup only while nobody has the file open",
        )

    def transaction(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """Become the one writer; keep everything at the end, or nothing when anything is raised.

        `wait_ms`: how long to wait for another writer this time. Who catches what is raised calls `abandon`: Ctrl-C may
        come just as this is left.
        """
        return Open(partial(self.begin, wait_ms), self.commit, self.abandon)

    def begin(self, wait_ms: int | None = None) -> None:
        """Become the one writer; nothing is begun where this raises."""
        if self.read_only:
            raise StoreError("store.read-only", f"{self.name} cannot be written", fix=f"chmod u+w {self.path}")
        assert not self.is_writing, "a transaction does not begin inside another"
        self.is_committed = False
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
        if self._connection is not None and self._connection.in_transaction:
            with suppress(self._apsw.Error):  # SQLite has rolled back by itself, or the file is what is wrong
                self._connection.execute("ROLLBACK")

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

    def _holder(self) -> str:
        """Who writes, as an aside; nothing if nobody can say."""
        process = holder.writer(self.absolute)
        if process is None:
            return ""
        return f" ({holder.words(process)})" if process == os.getpid() else f" (ps -fp {process})"

    def _full(self) -> StoreError:
        if self._place is None:  # it is being opened
            what = f"there is no room left for what SQLite keeps beside {self.name} while it is open"
            return StoreError("store.full", what, fix="make room on the disk")
        return StoreError(
            "store.full",
            f"there is no room left for {self.name}; nothing of this write was kept",
            fix=f"make room on the disk, or: rhizome compact {shlex.quote(self.path)}",
        )

    def _foreign(self, what: str, kind: type[StoreError] = StoreError, fix: str | None = None) -> StoreError:
        return kind(
            "store.not-a-database",
            f"{self.name} is not a RhizomeDB database: it {what}",
            fix=fix or "a table is taken in with: rhizome import films.db table.csv --key COLUMN",
        )

    def damaged(self, what: str, fix: str | None = None) -> StoreError:
        """The error for a part of the file that cannot be read or does not agree with another."""
        return StoreError("store.damaged", f"{self.name} is damaged: {what}", fix=fix or f"rhizome verify {self.path}")

    @property
    def salvage(self) -> str:
        """What to type when the file cannot be read."""
        return f"rhizome export {shlex.quote(self.path)} saved.jsonl --salvage"

    def _as_ours(self, error: apsw.Error) -> StoreError:
        apsw, extended = self._apsw, getattr(error, "extendedresult", 0)
        match error:
            case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
                return StoreError(
                    "store.busy",
                    f"another process has been writing to {self.name} for {self.wait_ms / 1000:g} s",
                    fix=f"wait until it has finished{self._holder()}, or for longer: --wait 3600"
                    " (in Python: open(…, wait_ms=3_600_000))",
                )
            case apsw.FullError():
                return self._full()
            case apsw.IOError() if self._connection is not None and self._connection.system_errno in NO_ROOM:
                return self._full()
            case apsw.IOError() if extended == apsw.SQLITE_IOERR_SHMSIZE:
                return self._full()
            case apsw.ReadOnlyError() if extended == apsw.SQLITE_READONLY_DBMOVED:
                return self._replaced()
            case apsw.ReadOnlyError():
                return StoreError("store.read-only", f"{self.name} cannot be written: {error}")
            case apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
                return StoreError("store.unreadable", f"{self.name} cannot be opened: {error}")
            case apsw.IOError():
                return StoreError("store.unreadable", f"{self.name} cannot be read or written: {error}")
            case apsw.NoMemError():
                return StoreError(
                    "store.memory",
                    f"there was not enough memory for {self.name}; the file is as it was",
                    fix="end other programs, or ask for less at once",
                )
            case apsw.InterruptError():
                return StoreError(
                    "store.interrupted", f"what was asked of {self.name} was interrupted", fix="ask again"
                )
            case apsw.TooBigError():
                return StoreError(
                    "store.too-big",
                    f"a value for {self.name} is larger than a row of SQLite may be: {error}",
                    fix="say it in parts, or attach it: rhizome attach",
                )
            case apsw.NotADBError():
                return self._foreign("cannot be read as one", fix=self.salvage)
            case apsw.ThreadingViolationError():
                raise AssertionError("a store is used by one thread at a time") from error
            case _:
                return self.damaged(str(error), fix=self.salvage)


def _place(path: str) -> tuple[int, int] | None:
    """Which file a path leads to; None if to none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

"""What is said of a database file that cannot be used: every error of SQLite as one of ours, with what would be right."""

from __future__ import annotations

import errno
import os
import shlex
from typing import TYPE_CHECKING, Final

from rhizomedb.errors import StoreError
from rhizomedb.store import holder

if TYPE_CHECKING:
    import apsw

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says where there is no room, beyond what SQLite itself takes for that."""


class Blank(StoreError):
    """The file holds nothing, or nothing yet: another process may be making it."""


class Moved(StoreError):
    """Another file has taken the place of this one."""


class Failures:
    """The errors of one file, which they call `name`; `path` is what to type, `absolute` where it is."""

    def __init__(self, name: str, path: str, absolute: str, wait_ms: int) -> None:
        self.name = name
        self._path = path
        self._absolute = absolute
        self._wait_ms = wait_ms

    @property
    def salvage(self) -> str:
        """What to type when the file cannot be read."""
        return f"rhizome export {shlex.quote(self._path)} saved.jsonl --salvage"

    def damaged(self, what: str, fix: str | None = None) -> StoreError:
        """The error for a part of the file that cannot be read or does not agree with another."""
        return StoreError("store.damaged", f"{self.name} is damaged: {what}", fix=fix or f"rhizome verify {self._path}")

    def foreign(self, what: str, kind: type[StoreError] = StoreError, fix: str | None = None) -> StoreError:
        """The error for a file that is something else."""
        return kind(
            "store.not-a-database",
            f"{self.name} is not a RhizomeDB database: it {what}",
            fix=fix or "a table is taken in with: rhizome import films.db table.csv --key COLUMN",
        )

    def read_only(self) -> StoreError:
        """The error for a write to what can only be read."""
        return StoreError("store.read-only", f"{self.name} cannot be written", fix=f"chmod u+w {self._path}")

    def replaced(self) -> StoreError:
        """The error for a file in whose place another one is by now."""
        return Moved(
            "store.unreadable",
            f"{self.name} was moved or replaced while it was open; nothing was written",
            fix="close it and open it again; restore a backup only while nobody has the file open",
        )

    def log_replaced(self) -> StoreError:
        """The error for a file whose newest part is not where it was."""
        return Moved(
            "store.unreadable",
            f"{self.name}-wal, in which the newest of {self.name} is, was removed or replaced while it was open; "
            "nothing was written",
            fix="close it and open it again, and look at what is there: rhizome verify",
        )

    def of(self, error: apsw.Error, system_errno: int, *, is_open: bool) -> StoreError:
        """What an error of SQLite means for this file, which was opened already or is about to be."""
        import apsw

        extended = getattr(error, "extendedresult", 0)
        match error:
            case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
                return self._busy()
            case apsw.FullError():
                return self._full(is_open)
            case apsw.IOError() if system_errno in NO_ROOM or extended == apsw.SQLITE_IOERR_SHMSIZE:
                return self._full(is_open)
            case apsw.ReadOnlyError() if extended == apsw.SQLITE_READONLY_DBMOVED:
                return self.replaced()
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
                return self.foreign("cannot be read as one", fix=self.salvage)
            case apsw.ThreadingViolationError():
                raise AssertionError("a store is used by one thread at a time") from error
            case _:
                return self.damaged(str(error), fix=self.salvage)

    def _busy(self) -> StoreError:
        return StoreError(
            "store.busy",
            f"another process has been writing to {self.name} for {self._wait_ms / 1000:g} s",
            fix=f"wait until it has finished{self._holder()}, or for longer: --wait 3600"
            " (in Python: open(…, wait_ms=3_600_000))",
        )

    def _holder(self) -> str:
        """Who writes, as an aside; nothing if nobody can say."""
        process = holder.writer(self._absolute)
        if process is None:
            return ""
        return f" ({holder.words(process)})" if process == os.getpid() else f" (ps -fp {process})"

    def _full(self, is_open: bool) -> StoreError:
        if not is_open:
            what = f"there is no room left for what SQLite keeps beside {self.name} while it is open"
            return StoreError("store.full", what, fix="make room on the disk")
        return StoreError(
            "store.full",
            f"there is no room left for {self.name}; nothing of this write was kept",
            fix=f"make room on the disk, or: rhizome compact {shlex.quote(self._path)}",
        )

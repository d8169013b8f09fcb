"""A disk that fails on purpose, at one call that is counted in advance.

SQLite reaches it through a VFS of apsw, the index through the functions that `store/folder.py` calls. Both count into
one number, so that `at=k` means the k-th call of all. What was synced is remembered apart from what was only written,
so that a loss of power can be played: of what was not synced, any 512-byte sectors survive.

Left out: the names of files are durable as soon as they are made or removed, and the memory that SQLite shares between
processes (`-shm`) does not fail, because it is never read from the disk.
"""

from __future__ import annotations

import builtins
import errno
import itertools
import mmap
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal

import apsw

from rhizomedb.store import check, folder, keeper
from rhizomedb.store.file import File

Fault = Literal[
    "eio", "eio for good", "full", "full for good", "short", "power", "flip read", "flip write", "lie", "kill"
]

SECTOR_BYTES: Final = 512

APPLIES: Final[dict[str, set[str]]] = {
    "eio": {"read", "write", "sync", "truncate", "open", "delete", "size"},
    "eio for good": {"read", "write", "sync", "truncate", "open", "delete", "size"},
    "full": {"write", "truncate", "open"},
    "full for good": {"write", "truncate", "open"},
    "short": {"write"},
    "power": {"write", "sync", "truncate", "delete"},
    "flip read": {"read"},
    "flip write": {"write"},
    "lie": {"sync"},
    "kill": {"read", "write", "sync", "truncate", "open", "delete", "size"},
}
"""Each fault, and the kinds of calls at which it can strike."""

_CODES: Final = {
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "open": apsw.SQLITE_CANTOPEN,
    "delete": apsw.SQLITE_IOERR_DELETE,
    "size": apsw.SQLITE_IOERR_FSTAT,
}
_names = itertools.count()


@dataclass
class Kept:
    """What of one file is on the disk for certain, and what was done to it since."""

    synced: bytes
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)


class Disk:
    """Counts calls, and fails at one of them."""

    def __init__(self, fault: Fault | None = None, at: int = 0, seed: int = 0) -> None:
        self.fault = fault
        self.at = at
        self.kinds: list[str] = []
        self.struck = False
        self.rng = Random(seed)
        self.kept: dict[str, Kept] = {}
        self.segments: set[str] = set()
        self.is_dead = False
        self.dies_at = 0
        self.vfs = f"faulty {next(_names)}"

    @classmethod
    def killing(cls, at: int) -> Disk:
        """A disk that kills the process that asks it for the k-th time."""
        return cls("kill", at)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """This disk is what the store has."""
        made = _Vfs(self)
        replaced: list[tuple[Any, str, Any]] = [
            (folder, "open", self._open_segment),
            (folder, "os", _Proxy(os, makedirs=self._makedirs, unlink=self._unlink)),
            (folder, "mmap", _Proxy(mmap, mmap=self._mapping())),
            *((module, "File", self._file) for module in (keeper, check)),
        ]
        with ExitStack() as stack:
            for module, name, value in replaced:
                had, before = name in vars(module), vars(module).get(name)
                stack.callback(setattr, module, name, before) if had else stack.callback(delattr, module, name)
                setattr(module, name, value)
            stack.callback(made.unregister)
            yield

    def _file(self, *arguments: Any, **options: Any) -> File:
        return File(*arguments, **{"vfs": self.vfs, **options})

    def strikes(self, kind: str) -> bool:
        """Count a call; whether it is the one that fails."""
        self.kinds.append(kind)
        number = len(self.kinds)
        if self.is_dead or number == self.dies_at:
            self.is_dead = True
            return False
        for_good = self.fault is not None and self.fault.endswith("for good")
        if self.fault is None or kind not in APPLIES[self.fault]:
            return False
        if not (number == self.at or (for_good and number > self.at)):
            return False
        self.struck = True
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "power":
            self.is_dead = True
        return True

    def flipped(self, data: bytes) -> bytes:
        """The same bytes but for one bit."""
        changed = bytearray(data)
        if changed:
            changed[self.rng.randrange(len(changed))] ^= 1 << self.rng.randrange(8)
        return bytes(changed)

    # -- the files of SQLite ----------------------------------------------------------------------------------------

    def of(self, path: str, content: Callable[[], bytes]) -> Kept:
        """What is known of a file; what it holds when it is first seen is on the disk."""
        if path not in self.kept:
            self.kept[path] = Kept(content())
        return self.kept[path]

    def lose_power(self) -> None:
        """Leave of every file what the disk has of it: what was synced, and any sectors of the rest."""
        chances = self.rng.choice([0.0, 0.5, 0.9, 1.0])
        for path, kept in self.kept.items():
            if not os.path.exists(path):
                continue
            image = bytearray(kept.synced)
            for what, offset, data in kept.pending:
                if what == "write":
                    for start in range(0, len(data), SECTOR_BYTES):
                        if self.rng.random() < chances:
                            _put(image, offset + start, data[start : start + SECTOR_BYTES])
                elif self.rng.random() < chances:
                    del image[offset:]
            _leave(path, bytes(image))
            if os.path.exists(path + "-shm"):
                os.unlink(path + "-shm")
        for path in sorted(self.segments):
            if os.path.exists(path):
                data = _content(path)
                half = self.rng.randrange(len(data) + 1)
                left = [data, b"", bytes(len(data)), data[:half], data[:half] + bytes(len(data) - half)]
                _leave(path, self.rng.choice(left))

    # -- the files of the index -------------------------------------------------------------------------------------

    def _refuse(self, kind: str) -> None:
        struck = self.strikes(kind)
        if self.is_dead or (struck and self.fault not in ("flip read", "flip write", "lie", "short")):
            full = self.fault is not None and self.fault.startswith("full")
            raise OSError(errno.ENOSPC if full else errno.EIO, "the disk fails")

    def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        self._refuse("open")
        os.makedirs(path, exist_ok=exist_ok)

    def _unlink(self, path: str) -> None:
        self._refuse("delete")
        os.unlink(path)

    def _open_segment(self, path: str, mode: str = "r", **options: Any) -> Any:
        if options:  # not a segment
            return builtins.open(path, mode, **options)
        self._refuse("open")
        if mode == "xb":
            self.segments.add(path)
        return _Segment(self, builtins.open(path, mode))

    def _mapping(self) -> type[mmap.mmap]:
        """What stands for `mmap.mmap`: a type too, for whoever asks whether something is one."""
        disk = self

        class Mapping(mmap.mmap):
            def __new__(cls, descriptor: int, size: int, **options: Any) -> Mapping:
                disk._refuse("read")
                if disk.struck and disk.fault == "flip read" and len(disk.kinds) == disk.at:
                    data = disk.flipped(os.pread(descriptor, size, 0))
                    _leave(os.readlink(f"/proc/self/fd/{descriptor}"), data)
                return super().__new__(cls, descriptor, size, **options)

        return Mapping


class _Proxy:
    """A module, some of whose functions are others."""

    def __init__(self, module: Any, **others: Any) -> None:
        self._module = module
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class _Segment:
    """A segment that is being written or read."""

    def __init__(self, disk: Disk, file: Any) -> None:
        self._disk = disk
        self._file = file

    def __enter__(self) -> _Segment:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        return int(self._file.fileno())

    def read(self, size: int) -> bytes:
        disk = self._disk
        disk._refuse("read")
        data: bytes = self._file.read(size)
        return disk.flipped(data) if disk.struck and disk.fault == "flip read" and len(disk.kinds) == disk.at else data

    def write(self, data: bytes) -> int:
        disk = self._disk
        if disk.fault == "power" and len(disk.kinds) + 1 == disk.at:
            self._file.write(data[: len(data) // 2])
        disk._refuse("write")
        if disk.struck and len(disk.kinds) == disk.at:
            if disk.fault == "short":
                self._file.write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "the disk fails")
            if disk.fault == "flip write":
                data = disk.flipped(data)
        return int(self._file.write(data))


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, "")

    def excepthook(self, *_: object) -> None:
        """What SQLite makes of a failure it says itself."""

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        _count(self._disk, "open")
        return _File(self._disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        _count(self._disk, "delete")
        super().xDelete(name, sync)
        self._disk.kept.pop(name, None)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)
        disk.of(self._path, self._content)

    def _content(self) -> bytes:
        """All of the file, through what SQLite has open: to open and close it once more would drop the locks of all."""
        size = super().xFileSize()
        return bytes(super().xRead(size, 0)) if size else b""

    def excepthook(self, *_: object) -> None:
        """What SQLite makes of a failure it says itself."""

    def xRead(self, amount: int, offset: int) -> bytes:
        struck = _count(self._disk, "read")
        data: bytes = super().xRead(amount, offset)
        return self._disk.flipped(data) if struck else data

    def xWrite(self, data: bytes, offset: int) -> None:
        disk = self._disk
        data = bytes(data)
        kept = disk.of(self._path, self._content)
        try:
            struck = _count(disk, "write")
        except apsw.Error:
            if disk.fault == "power" and len(disk.kinds) == disk.at:
                kept.pending.append(("write", offset, data))
            raise
        if struck and disk.fault == "short":
            data = data[: len(data) // 2]
        if struck and disk.fault == "flip write":
            data = disk.flipped(data)
        super().xWrite(data, offset)
        kept.pending.append(("write", offset, data))
        if struck and disk.fault == "short":
            raise apsw.exception_for(apsw.SQLITE_FULL)

    def xTruncate(self, size: int) -> None:
        _count(self._disk, "truncate")
        super().xTruncate(size)
        self._disk.of(self._path, self._content).pending.append(("truncate", size, b""))

    def xSync(self, flags: int) -> None:
        # Nothing of the real disk is waited for: what would be there is known here.
        if not _count(self._disk, "sync"):
            self._disk.kept[self._path] = Kept(self._content())

    def xFileSize(self) -> int:
        _count(self._disk, "size")
        return int(super().xFileSize())


def _count(disk: Disk, kind: str) -> bool:
    """Count a call of SQLite; whether the fault is one that the call itself plays. Others are raised here."""
    struck = disk.strikes(kind)
    if disk.is_dead:
        raise apsw.exception_for(_CODES[kind])
    if not struck:
        return False
    if disk.fault is not None and disk.fault.startswith("full"):
        raise apsw.exception_for(apsw.SQLITE_FULL)
    if disk.fault is not None and disk.fault.startswith("eio"):
        raise apsw.exception_for(_CODES[kind])
    return True


def _content(path: str) -> bytes:
    try:
        with builtins.open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _put(image: bytearray, offset: int, data: bytes) -> None:
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


def _leave(path: str, data: bytes) -> None:
    """Make a file hold this, at the same place of the file system."""
    with builtins.open(path, "r+b") as file:
        file.truncate(0)
        file.write(data)

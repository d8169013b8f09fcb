"""A folder as a place: of this machine, of a mounted share, of a stick, or kept the same elsewhere by another program.

An object is written under another name, brought to the disk, and then renamed: a name that is a bundle's never stands
for half of one. A write that was cut off leaves a file `.partial-…`, which nobody reads, and which a later write removes
once it is a day old.
"""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rhizomedb.errors import BundleRefused, RemoteError, nearest_names
from rhizomedb.remote.kind import Kind
from rhizomedb.remote.place import Listed

PARTIAL: Final = ".partial-"

PARTIAL_AGE_S: Final = 24 * 60 * 60
"""After how many seconds a `.partial-…` is one that was cut off: nobody writes for as long."""

_OF_ALL: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What is about this process or machine, whichever object is read."""

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Folder:
    """A folder; made at the first write if the one that it is in exists."""

    is_made = True

    def __init__(self, path: str) -> None:
        self.label = path
        self._path = path
        self._swept: set[str] = set()

    def list(self, kind: Kind) -> Iterator[Listed]:
        """Every regular file of a kind. Links and pipes are none: nothing outside of the folder is read."""
        with _ours(self._path):
            if not os.path.isdir(self._path):
                raise _not_found(self._path) if not os.path.lexists(self._path) else _no_folder(self._path)
            inner = os.path.join(self._path, kind.folder)
            _check_no_link(inner)
            try:
                entries = os.scandir(inner)
            except FileNotFoundError:
                return
            with entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # taken away meanwhile
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith(PARTIAL):
                            yield Listed(entry.name, entry.stat(follow_symlinks=False).st_size)

    def read(self, kind: Kind, name: str, start: int, stop: int) -> bytes:
        """A part of a file, which must be a regular one when it is opened, too."""
        where = kind.where(name)
        with _ours(self._path, where):
            path = os.path.join(self._path, kind.path(name))
            if os.path.islink(os.path.dirname(path)):
                raise BundleRefused(*_LINK, where=where)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise BundleRefused("remote.malformed", "it is no file", where=where)
                file.seek(start)
                return file.read(stop - start)

    def write(self, kind: Kind, name: str, data: bytes) -> None:
        """Write beside, bring to the disk, rename."""
        with _ours(self._path):
            folder = self._made(kind.folder)
            if folder not in self._swept:
                self._swept.add(folder)
                _sweep(folder)
            partial = os.path.join(folder, PARTIAL + secrets.token_hex(8))
            try:
                with open(partial, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, os.path.join(folder, name))
            except BaseException:
                with suppress(OSError):
                    os.unlink(partial)
                raise
            _sync(folder)

    def close(self) -> None:
        """Nothing to let go of."""

    def _made(self, name: str) -> str:
        """A folder within the folder; both are made but none above: a name that was mistyped, or a disk that is not
        there, should show.
        """
        inner = os.path.join(self._path, name)
        for path in (self._path, inner):
            try:
                os.mkdir(path)
            except FileExistsError:
                continue
            except FileNotFoundError:
                above = os.path.dirname(os.path.abspath(path))
                message = f"there is no folder {above}"
                raise RemoteError("remote.not-found", message, fix=f"mkdir -p {shlex.quote(above)}") from None
            _sync(os.path.dirname(os.path.abspath(path)))
        _check_no_link(inner)
        return inner


def _check_no_link(inner: str) -> None:
    """Refuse a folder within the place that is a link: what it leads to is not of the place."""
    if os.path.islink(inner):
        raise RemoteError(
            "remote.denied",
            f"{inner} is a link, and nothing outside of the place is read or written",
            fix="a folder there, or the place that it leads to",
        )


def _sweep(folder: str) -> None:
    """Remove what writes left behind that were cut off long ago; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PARTIAL) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > PARTIAL_AGE_S:
                        os.unlink(entry.path)


def _sync(folder: str) -> None:
    """Bring the names in a folder to the disk, where the file system knows how."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _not_found(path: str) -> RemoteError:
    folder = os.path.dirname(path)
    with suppress(OSError, ValueError):
        near = nearest_names(os.path.basename(path), os.listdir(folder or "."))
        return _missing(path, [os.path.join(folder, name) for name in near])
    return _missing(path, [])


def _missing(path: str, near: list[str]) -> RemoteError:
    above = os.path.dirname(os.path.abspath(path))
    fix = "rhizome push FILE URL makes it" if os.path.isdir(above) else f"mkdir -p {shlex.quote(above)}"
    return RemoteError("remote.not-found", f"there is no folder {path}", nearest=near, fix=fix)


def _no_folder(path: str) -> RemoteError:
    return RemoteError("remote.not-found", f"{path} is not a folder", fix="name a folder, or s3://BUCKET/PREFIX")


@contextmanager
def _ours(path: str, where: str | None = None) -> Iterator[None]:
    """What the operating system says, as one of our errors."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        if where is not None and error.errno not in _OF_ALL:  # the others may still be had
            failed = ("remote.failed", f"it cannot be read: {reason}")
            raise BundleRefused(*_OF_ONE.get(error.errno or 0, failed), where=where) from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise _no_folder(path) from None
        if error.errno in _NO_ROOM:
            raise RemoteError("remote.full", f"{path}: {reason}", fix="make room, and push again") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RemoteError("remote.denied", f"{path}: {reason}", fix=f"ls -ld {path}") from None
        raise RemoteError("remote.failed", f"{path}: {reason}") from None


_LINK: Final = ("remote.malformed", "it is a link")

_OF_ONE: Final = {
    errno.ENOENT: ("remote.gone", "it was listed and is not there any more"),
    errno.ELOOP: _LINK,
    errno.EACCES: ("remote.denied", "it cannot be read: permission denied"),
    errno.EPERM: ("remote.denied", "it cannot be read: permission denied"),
}
"""What is said of one object that cannot be read, by what the operating system says."""

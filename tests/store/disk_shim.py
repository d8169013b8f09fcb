"""A disk that counts how often it is waited for, and that can be full: a file system of SQLite's over the usual one."""

from __future__ import annotations

import itertools
from typing import Any

import apsw

_numbers = itertools.count()


class Disk(apsw.VFS):  # type: ignore[misc]  # apsw is a C module
    """Open a store with `vfs=disk.name`."""

    def __init__(self) -> None:
        self.name = f"shim-{next(_numbers)}"
        self.syncs = 0
        self.room: int | None = None  # how many more writes there is room for
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: Any) -> Any:
        return _File(self, name, flags)

    def take_room(self) -> None:
        if self.room is not None:
            if self.room <= 0:
                raise apsw.FullError("no room")
            self.room -= 1


class _File(apsw.VFSFile):  # type: ignore[misc]  # apsw is a C module
    def __init__(self, disk: Disk, name: Any, flags: Any) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:
        self._disk.syncs += 1
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.take_room()
        super().xWrite(data, offset)

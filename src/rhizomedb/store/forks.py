"""What a forked child has of its parent's open files: nothing that it may use, end or take back.

SQLite keeps what processes share in memory that a child has too. A child that rolled a write of its parent back, or let
the connection go, would take pages of that write out of what everybody looks them up in.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Connected(Protocol):
    """What has a connection of SQLite, and may be in the middle of a write."""

    is_writing: bool

    @property
    def connection(self) -> object: ...  # noqa: D102  # the connection


OPEN: WeakSet[Connected] = WeakSet()
"""The files that this process has open."""


def _leave() -> None:
    """In a child: keep the connections of writes that are the parent's, so that they are never let go."""
    kept = [each.connection for each in list(OPEN) if each.is_writing]
    if kept:
        import ctypes  # 5 ms, which only such a child pays

        for connection in kept:  # what is only referred to would be let go when the child ends
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)

"""Places in the memory of this process, `memory://NAME`: for tests, and for trying things out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rhizomedb.errors import BundleRefused
from rhizomedb.remote.kind import Kind
from rhizomedb.remote.place import Listed

PLACES: Final[dict[str, dict[str, bytes]]] = {}
"""What each name holds, for as long as the process lives."""


class Memory:
    """A dict as a place."""

    is_made = True

    def __init__(self, name: str) -> None:
        self.label = f"memory://{name}"
        self._objects = PLACES.setdefault(name, {})

    def list(self, kind: Kind) -> Iterator[Listed]:
        """Every object of a kind."""
        start = kind.path("")
        return (
            Listed(path.removeprefix(start), len(data))
            for path, data in list(self._objects.items())
            if path.startswith(start)
        )

    def read(self, kind: Kind, name: str, start: int, stop: int) -> bytes:
        """A part of an object."""
        try:
            return self._objects[kind.path(name)][start:stop]
        except KeyError:
            raise BundleRefused(
                "remote.gone", "it was listed and is not there any more", where=kind.where(name)
            ) from None

    def write(self, kind: Kind, name: str, data: bytes) -> None:
        """Keep an object."""
        self._objects[kind.path(name)] = data

    def close(self) -> None:
        """Nothing to let go of."""

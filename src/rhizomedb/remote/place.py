"""What every place offers: objects under names, listed, read in part, and written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from rhizomedb.remote.kind import Kind

Progress = Callable[[int, int], None]
"""Told what is done and what there is in all (0 if unknown)."""


class Listed(NamedTuple):
    """An object as a place lists it. Neither its name nor its size is to be believed."""

    name: str
    size: int


class Place(Protocol):
    """A folder, a bucket, or a dict: written by many at once, and trusted in nothing.

    Reading may be asked for by several threads at once. What fails is a `RemoteError`; `BundleRefused` where it is
    about one object and the others may still be had.
    """

    label: str
    """How the place is called in messages and in origins: never with a secret in it."""

    is_made: bool
    """Whether the first write makes the place where there is none."""

    def list(self, kind: Kind) -> Iterator[Listed]:
        """Every object in the folder of a kind, in any order; none where there is no such folder."""
        ...

    def read(self, kind: Kind, name: str, start: int, stop: int) -> bytes:
        """These bytes of an object, fewer if it is shorter, never more."""
        ...

    def write(self, kind: Kind, name: str, data: bytes) -> None:
        """Keep an object, so that nobody ever sees a part of it. The same name always comes with the same bytes."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...

"""A signal: wakes whoever waits for something to be so. It belongs to no event loop, so it serves one run after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Signal:
    """Tell it that something has changed, and those who wait look again."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Something has changed."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so. Nothing is awaited between looking and waiting, so no change is missed."""
        while not ready():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)

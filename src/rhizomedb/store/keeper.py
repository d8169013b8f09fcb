"""Keeping an index tidy behind the back of who writes: a thread of its own, with a connection of its own, that merges."""

from __future__ import annotations

import threading
from contextlib import suppress

from rhizomedb.errors import Error
from rhizomedb.store.file import File
from rhizomedb.store.indexed import Indexed


class Keeper:
    """Merges the segments of one file in the background, when it is asked to look."""

    def __init__(self, path: str, wait_ms: int, share: float = 1.0) -> None:
        self._path = path
        self._wait_ms = wait_ms
        self._share = share
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def look(self) -> None:
        """Merge what is due, unless that is being done already."""
        if self._thread is None or not self._thread.is_alive():
            self._is_stopped = False
            self._thread = threading.Thread(target=self._work, name="rhizomedb-merge", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Wait until nothing is due any more."""
        if self._thread is not None:
            with suppress(RuntimeError):  # Ctrl-C came before it was started
                self._thread.join()

    def stop(self) -> None:
        """Wait for the merge that is under way, and begin no other."""
        self._is_stopped = True
        self.finish()

    def _work(self) -> None:
        # An index that is not tidy is only slower; whatever stands in the way now, the next write looks again.
        with suppress(Error, OSError):
            file = File(self._path, create=False, wait_ms=self._wait_ms, durability="normal", share=self._share)
            try:
                indexed = Indexed(file, self._share)
                while not self._is_stopped and indexed.tidy():
                    pass
            finally:
                file.close()

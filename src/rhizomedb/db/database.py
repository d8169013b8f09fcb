"""A database at one moment: a value. Whatever is written later, it answers the same."""

from __future__ import annotations

from collections.abc import Callable

from rhizomedb.db.limits import Limits
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Authors
from rhizomedb.db.reader import Reader, now_ms
from rhizomedb.store.store import Cut, Store


class Database(Reader):
    """What a copy held at one moment, possibly narrowed by claimed time or authors."""

    def __init__(
        self,
        store: Store,
        cut: Cut,
        authors: Callable[[], Authors] | None = None,
        clock: Callable[[], int] = now_ms,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._cut = cut
        self._clock = clock
        self._known_authors = authors
        self._limits = limits or Limits()

    def _authors(self) -> Authors:
        return self._known_authors() if self._known_authors else super()._authors()

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        return self._cut

    def __repr__(self) -> str:
        cut = self._cut
        parts = [f"epoch {cut.epoch}"] if cut.epoch is not None else []
        parts += [f"since {show_ms(cut.since)}"] if cut.since is not None else []
        parts += [f"as of {show_ms(cut.until)}"] if cut.until is not None else []
        parts += (
            [f"by {len(cut.authors)} author{'' if len(cut.authors) == 1 else 's'}"] if cut.authors is not None else []
        )
        return f"<rhizomedb.Database {self._store.path}: {', '.join(parts) or 'everything'}>"

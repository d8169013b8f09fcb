"""Undoing, for who writes: what was said is taken back by new statements, by name. Done in `reverting`, loaded by who asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rhizomedb.db.connection import Connection
    from rhizomedb.db.graph.hyperedges import Moment
    from rhizomedb.db.reverting import Reversal
    from rhizomedb.db.transaction import Transaction


class TakingBack:
    """What a connection can undo."""

    def revert(
        self,
        *,
        by: str | Iterable[str] | None = None,
        origin: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        epochs: int | Iterable[int] | None = None,
        author: str | None = None,
        dry_run: bool = False,
    ) -> Reversal:
        """Take back all that is meant by every condition given, in one transaction; nothing is erased.

            print(db.revert(by="a script", since="2 hours ago", dry_run=True))

        It was said `by` these authors, `origin` brought it here, it was claimed from `since` to `until`, both included, and
        learned in these `epochs`. What it had replaced or taken back stands again, as its authors said it; what others have
        said of the same since, having seen it, stays. Hyperedges and schemas are negated. `author` takes it back: if nobody is
        named, who said it where that is one author whose key is here, so that a source can say again what it said. With
        `dry_run` nothing is written. `db.nothing-to-revert` where nothing is meant.
        """
        from rhizomedb.db.reverting import revert

        return revert(cast("Connection", self), by, origin, since, until, epochs, author, dry_run)

    def undo(
        self, transaction: Transaction | None = None, *, author: str | None = None, dry_run: bool = False
    ) -> Reversal:
        """Take back a transaction, or the last of this author: a write, a relation, a schema, an import, another undo.

            done = db.transact([("The Matrix", "runtime", 138)])
            db.undo()                                   as it was
            db.undo()                                   138 again

        As `revert`, of exactly those deltas. `db.nothing-to-revert` where the author has said nothing.
        """
        from rhizomedb.db.reverting import undo

        return undo(cast("Connection", self), transaction, author, dry_run)

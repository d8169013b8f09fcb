"""Supposing: what if something were said? For every reader; done in `what_if`, loaded by who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader
    from rhizomedb.db.what_if import WhatIf


class Supposing:
    """What every reader can suppose."""

    def what_if(self, say: Callable[[WhatIf], object] | None = None) -> WhatIf:
        """This database as it is now, to be written without being changed: every question answers as though it were said.

            with db.what_if() as w:
                w.transact([("The Matrix", "runtime", 138)])
                print(w.get("The Matrix", "runtime"), w.conflicts(), db.get("The Matrix", "runtime"))

        `say` is called with it first: `db.what_if(lambda w: w.retract("Alien")).conflicts()`. Nothing is written to the file, no
        key is made, and nothing signed leaves. What is said here later it does not see. `commit()` says it for good.
        It is a value over a moment, so it can be asked of `snapshot()` and `as_of(...)`, and of another `what_if()`.
        """
        from rhizomedb.db.what_if import supposed

        return supposed(cast("Reader", self), say)

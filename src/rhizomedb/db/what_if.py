"""What if: a database at a moment, written in memory alone.

It is a connection like any other, over an overlay (`store/overlay.py`): what is said goes into memory and is read together with
the file beneath, of which nothing is copied. It is signed as it would be, since who says a thing decides what it replaces; so
what was supposed is never handed on before `commit`, and a key for an author who has none here is made for the while.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NoReturn

from rhizomedb.db.connection import Connection
from rhizomedb.db.keyring import Keyring, check_name
from rhizomedb.db.reader import Reader
from rhizomedb.db.transaction import Transaction
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.manifest import Block
from rhizomedb.facts.signature import Key
from rhizomedb.store import admit
from rhizomedb.store.overlay import OverlayStore
from rhizomedb.store.store import Finding

ORIGIN = "what if"
"""What brings here what was supposed and is kept."""


def supposed(reader: Reader, say: Callable[[WhatIf], object] | None) -> WhatIf:
    """See `Supposing.what_if`."""
    if say is not None and not callable(say):
        raise RequestError(
            "db.usage",
            f"{say!r:.60} cannot be called",
            fix="db.what_if(lambda w: w.transact([...])), or with db.what_if() as w",
        )
    found = WhatIf(reader)
    try:
        if say is not None:
            say(found)
    except BaseException:
        found.close()
        raise
    return found


class WhatIf(Connection):
    """A database as though some things were said; made by `what_if`, and asked and written like a `Connection`.

    It lives in memory until it is closed, or left as a context. Closing it closes nothing beneath.
    """

    def __init__(self, of: Reader) -> None:
        self._of = of
        self._supposed = OverlayStore(of._store, of.cut)
        self._borrowed = _Borrowed(of._keyring if isinstance(of, Connection) else Keyring())
        super().__init__(
            self._supposed,
            author=of._author if isinstance(of, Connection) else None,
            keyring=self._borrowed,
            clock=of._clock,
            system=of._system if isinstance(of, Connection) else None,
            limits=of._limits,
        )

    def commit(self) -> Transaction:
        """Say for good what was supposed, in one transaction of the database that was asked, and close this.

        What was said there meanwhile has not been seen by it, as where two copies meet: neither replaces the other.
        `db.what-if` for a moment that is past: nothing can be said in it.
        """
        into = self._of
        if not isinstance(into, Connection):
            raise RequestError(
                "db.what-if",
                "what is supposed of a moment is not kept: only the newest can be written",
                fix="db.what_if()",
            )
        above = self._supposed.above
        deltas = [Delta.decode(envelope) for _, envelope in above.envelopes()]
        held = [Delta.decode(envelope) for each in above.held() if (envelope := above.envelope(each.id)) is not None]
        blocks = [Block(cid, body) for cid in above.chunks.cids() if (body := above.chunks.get(cid)) is not None]
        self._borrowed.give({delta.author for delta in (*deltas, *held)})

        def say() -> Transaction:
            into._store.chunks.put(blocks)
            for author, name in above.names().items():
                into._store.name(author, name)
            done = admit(into._store, chain(deltas, held), now_ms=into._clock(), origin=ORIGIN)
            return Transaction(
                done.epoch, tuple(delta.id for delta in deltas), sum(len(delta.facts) for delta in deltas)
            )

        result: Transaction = into._write(say) if deltas or held else Transaction(None)
        self.close()
        return result

    # -- nothing that is signed leaves ------------------------------------------------------------------------------

    def deltas(self, *, lost: list[Finding] | None = None) -> Iterator[Delta]:
        """`db.what-if`: what is only supposed is not handed on."""
        _refuse()

    def get_deltas(self, ids: Iterable[Cid], *, lost: list[Finding] | None = None) -> Iterator[Delta]:
        """`db.what-if`: what is only supposed is not handed on."""
        _refuse()

    def delta_ids(self) -> Iterator[Cid]:
        """`db.what-if`: what is only supposed is not handed on."""
        _refuse()

    def subscribe(self, *args: object, **more: object) -> NoReturn:
        """`db.what-if`: whoever subscribes is handed what is signed. `watch`, `view` and `subscribe_view` tell of changes."""
        _refuse()

    def __enter__(self) -> WhatIf:
        return self

    def __repr__(self) -> str:
        return f"<rhizomedb.WhatIf over {self._of!r}>"


def _refuse() -> NoReturn:
    raise RequestError("db.what-if", "what is only supposed is not handed on", fix="commit() says it for good")


class _Borrowed(Keyring):
    """The keys of a user, and for authors who have none, keys that are kept nowhere."""

    def __init__(self, real: Keyring) -> None:
        super().__init__(real.folder)
        self._real = real
        self._made: dict[str, Key] = {}

    def key(self, name: str) -> Key:
        """The key of an author name; one for the while, if there is none."""
        found = self.find(name)
        if found is None:
            check_name(name)
            found = self._made[name] = Key(secrets.token_bytes(32))
        return found

    def find(self, name: str) -> Key | None:
        """The key of an author name, if there is one."""
        return self._made.get(name) or self._real.find(name)

    def names(self) -> dict[bytes, str]:
        """Every author that can be signed for here: public key to name."""
        return {**self._real.names(), **{key.public: name for name, key in self._made.items()}}

    def keep(self, name: str, key: Key) -> bool:
        """Keep a key for the while; False where the name has another one."""
        found = self.find(name)
        if found is None:
            self._made[name] = key
        return found is None or found.public == key.public

    def give(self, authors: set[bytes]) -> None:
        """Keep for good the keys of some authors that were made here."""
        for name, key in self._made.items():
            if key.public in authors and not self._real.keep(name, key):
                raise RequestError(
                    "db.what-if",
                    f"{name!r} has been given another key meanwhile than the one that signed what was supposed",
                    fix="suppose it anew",
                )

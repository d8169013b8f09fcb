"""What the campaigns write: transactions that are a function of their number, and what a file must hold after some of them.

So whoever checks a file needs to know only which numbers were acknowledged, and which may have been begun.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from rhizomedb.db import transaction
from rhizomedb.db.connection import Connection
from rhizomedb.db.keyring import Keyring
from rhizomedb.exchange import columns
from rhizomedb.exchange.importer import import_table
from rhizomedb.exchange.reader import Options, read_table
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.entity import derive
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import plain
from rhizomedb.store import ALL, COLUMNS, MemoryStore, folder, indexed, tiers
from rhizomedb.store.file import Durability
from rhizomedb.store.sqlite import SqliteStore

NOW = 1_800_000_000_000
WAIT_MS = 5_000
"""No wait of any campaign may be longer."""

Triple = tuple[bytes, Any, Any]


class FixedKeys(Keyring):
    """Keys that are a function of the name, so that no process makes them and all have the same."""

    def key(self, name: str) -> Key:
        return Key(hashlib.sha256(name.encode()).digest())

    def find(self, name: str) -> Key | None:
        return self.key(name)

    def names(self) -> dict[bytes, str]:
        return {self.key(name).public: name for name in ("alice", "bob", "table")}


KEYS = FixedKeys()

admission = sys.modules["rhizomedb.store.admit"]  # the package shows the function of that name


@contextmanager
def small_thresholds() -> Iterator[None]:
    """Make segments spill and merge after a few facts, within writes too, and deltas small, so that writes have several."""
    small: list[tuple[Any, str, int]] = [
        (indexed, "GATHER_FACTS", 400), (indexed, "TAIL_FACTS", 24), (indexed, "TAIL_DELTAS", 4), (indexed, "SMALL", 16),
        (tiers, "RATIO", 2), (tiers, "FILES_TOGETHER", 3), (transaction, "DELTA_FACTS_MAX", 100), (columns, "BATCH_ROWS", 60),
        (admission, "BATCH_BYTES", 2_000), (folder, "READ_BYTES_MAX", 3_000),
    ]  # fmt: skip
    before = [(module, name, getattr(module, name)) for module, name, _ in small]
    for module, name, value in small:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def opened(
    path: str, *, create: bool = True, durability: Durability = "full", vfs: str = "", wait_ms: int = WAIT_MS
) -> Connection:
    """A connection as every campaign uses it."""
    store = SqliteStore(path, create=create, wait_ms=wait_ms, durability=durability, vfs=vfs)
    try:
        return Connection(store, author="alice", keyring=KEYS, clock=lambda: NOW, system="campaign")
    except BaseException:
        store.close()
        raise


# -- the transactions --------------------------------------------------------------------------------------------------

Say = Callable[[Connection, int, Path], None]


def _entity(number: int) -> bytes:
    return b"t%d" % number


def _one(db: Connection, number: int, folder: Path) -> None:
    db.transact([(_entity(number), "one", number)])


def _repeat(db: Connection, number: int, folder: Path) -> None:
    """Something of its own, and something that others say too."""
    db.transact(
        [(_entity(number), "one", number), Fact(b"shared", "seen", number % 5)],
        author=("alice", "bob")[number % 2],
        scope="own",
    )


def _thousand(db: Connection, number: int, folder: Path) -> None:
    db.transact([(_entity(number), f"part {part % 7}", part) for part in range(1000)])


def _several(db: Connection, number: int, folder: Path) -> None:
    """Two deltas of one group: what is planned and what is said whole."""
    before = Fact(_entity(number), "whole", number)
    db.transact([(_entity(number), "several", number), before, Fact(_entity(number), "after", number, [before.cid])])


def _group(db: Connection, number: int, folder: Path) -> None:
    """A group that comes in two pieces: the first is held back until the second is here."""
    key, group = KEYS.key("bob"), Group(b"group of %d" % number, 3)
    deltas = [
        Delta.sign(key, system="peer", time=HybridTime(NOW, number % 60_000), facts=[Fact(_entity(number), f"member {member}", member)], group=group).encode()
        for member in range(3)
    ]  # fmt: skip
    db.admit(deltas[:2], origin="peer")
    db.admit(deltas[2:], origin="peer")


def _content(number: int) -> bytes:
    return Random(number).randbytes(20_000 + number % 5000)


def _attach(db: Connection, number: int, folder: Path) -> None:
    db.attach(_entity(number), "file", _content(number))


def _table(db: Connection, number: int, folder: Path) -> None:
    path = folder / f"{number}.csv"
    path.write_text("key,value\n" + "".join(f"{number}-{row},{row}\n" for row in range(12)))
    import_table(db, read_table(path, Options(key=("key",))), author="table", key=("key",))
    path.unlink()


_KINDS: tuple[tuple[int, Say], ...] = (
    (10, _one), (6, _repeat), (1, _thousand), (3, _several), (3, _group), (1, _attach), (2, _table),
)  # fmt: skip


def _kind(number: int) -> Say:
    return Random(number).choices([say for _, say in _KINDS], [weight for weight, _ in _KINDS])[0]


def say(db: Connection, number: int, folder: Path) -> None:
    """Write the transaction of a number. What of it is here already is passed over."""
    _kind(number)(db, number, folder)


def own_triples(number: int) -> set[Triple]:
    """What only the transaction of this number says; of an attachment all but its CID."""
    entity = _entity(number)
    kind = _kind(number)
    if kind in (_one, _repeat):
        return {(entity, "one", number)}
    if kind is _thousand:
        return {(entity, f"part {part % 7}", part) for part in range(1000)}
    if kind is _several:
        return {(entity, name, number) for name in ("several", "whole", "after")}
    if kind is _group:
        return {(entity, f"member {member}", member) for member in range(3)}
    if kind is _attach:
        return {(entity, "file", None)}
    return {
        triple
        for row in range(12)
        for key in [f"{number}-{row}"]
        for triple in ((derive({"key": key}), "key", key), (derive({"key": key}), "value", row))
    }


# -- what a file must hold ---------------------------------------------------------------------------------------------


class Broken(AssertionError):
    """A promise of the store that does not hold."""


class Found(Broken):
    """Damage that `verify` finds."""


def require(holds: object, promise: str) -> None:
    """Fail with the promise that is broken; unlike `assert`, also where a campaign runs outside of the tests."""
    if not holds:
        raise Broken(promise)


def examine(
    path: str,
    acknowledged: Collection[int],
    begun: Collection[int],
    *,
    twin: bool = True,
    index_may_be_lost: bool = False,
) -> set[int]:
    """Check a file against the model; gives the transactions that are in it.

    Everything acknowledged is there, of what was begun each is whole or absent, nothing else is there; `verify` finds
    nothing; and with `twin`, everything that the store shows is what the store in memory shows of the same log. After a
    loss of power segments of the index may be lost, which never were waited for: `verify` may say that, and that only.
    """
    with closing(opened(path, create=False)) as db:
        examine_nothing_wrong(db, "index segment" if index_may_be_lost else None)
        shown: set[Triple] = set()
        attached: dict[bytes, Any] = {}
        for _, entity, attribute, value in db._store.scan("fact", {}, ALL):
            if is_reserved(attribute) or entity == b"shared":
                continue
            if attribute == "file":
                attached[entity] = value  # type: ignore[index]  # an entity is bytes
            shown.add((entity, plain(attribute), None if attribute == "file" else plain(value)))  # type: ignore[arg-type]  # an entity is bytes
        present = set()
        for number in {*acknowledged, *begun}:
            own = own_triples(number)
            if own & shown:
                require(
                    own <= shown,
                    f"transaction {number} is whole or absent; {len(own & shown)} of {len(own)} facts are there",
                )
                present.add(number)
                shown -= own
                if _kind(number) is _attach:
                    with db.read_attachment(attached[_entity(number)]) as file:
                        require(file.read() == _content(number), f"the attachment of transaction {number} is as it was")
        lost = set(acknowledged) - present
        require(not lost, f"nothing acknowledged is lost, but transactions {sorted(lost)[:5]} are")
        require(not shown, f"nothing is there that nobody said, but {sorted(map(repr, shown))[:3]}")
        if twin:
            _compare_with_twin(db._store)
        return present


def examine_nothing_wrong(db: Connection, but: str | None = None) -> None:
    """`verify` finds nothing, but what is allowed."""
    findings = [finding for finding in db.verify() if but is None or not finding.record.startswith(but)]
    if findings:
        raise Found(f"verify finds nothing, but: {findings[:3]}")


def shows(db: Connection, number: int) -> bool:
    """Whether look-ups show all that a transaction said."""
    own = own_triples(number)
    seen = {
        (entity, plain(attribute), None if attribute == "file" else plain(value))
        for asked in {entity for entity, _, _ in own}
        for _, entity, attribute, value in db._store.scan("fact", {"entity": asked}, ALL)
    }
    return own <= seen


def _compare_with_twin(store: Any) -> None:
    """The store in memory, given the same log, shows the same."""
    memory = MemoryStore()
    log = [(epoch, Delta.decode(envelope)) for epoch, envelope in store.envelopes()]
    with memory.writing():
        for epoch in store.epochs():
            number = memory.begin(epoch.at_ms, epoch.origin)
            memory.append([delta for at, delta in log if at == number], number)
    for relation in COLUMNS:
        rows, expected = list(store.scan(relation, {}, ALL)), list(memory.scan(relation, {}, ALL))
        require(len(rows) == len(set(rows)), f"no tuple of {relation} comes twice")
        require(set(rows) == set(expected), f"{relation} is as the log has it")
    require(store.counts(ALL) == memory.counts(ALL), "the counts are as the log has them")
    require(list(store.entities(ALL)) == list(memory.entities(ALL)), "the entities are as the log has them")
    for entity in list(memory.entities(ALL))[-5:]:
        bound = {"entity": entity}
        require(
            set(store.scan("fact", bound, ALL)) == set(memory.scan("fact", bound, ALL)), f"look-ups find {entity!r}"
        )


# -- processes ---------------------------------------------------------------------------------------------------------


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Run `work` in a process of its own; gives its id and a pipe from it, of which `work` is given the other end.

    What it raises comes through the pipe as a line that begins with `!`. It leaves without cleaning up after others.
    """
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of the test runner mean nothing to the child
        process = os.fork()
    if process:
        os.close(send)
        return process, receive
    os.close(receive)
    _run_child(work, send)


def _run_child(work: Callable[[int], None], send: int) -> NoReturn:
    code = 1
    try:
        work(send)
        code = 0
    except KeyboardInterrupt:  # on the way out: nothing is open any more
        code = 0
    except BaseException as error:
        text = f"!{type(error).__module__}.{type(error).__name__}: {error}".replace("\n", " ")
        os.write(send, text.encode()[:3000] + b"\n")
    finally:
        os._exit(code)


def drain(receive: int, data: bytes = b"") -> list[str]:
    """Every whole line of a pipe whose writer is gone, after what was read of it; then the pipe is closed."""
    while some := os.read(receive, 65536):
        data += some
    os.close(receive)
    lines = data.decode().split("\n")[:-1]
    for line in lines:
        require(not line.startswith("!"), f"a process ended by {line[1:]}")
    return lines

"""The attachments of a database: their content and blocks, for every reader and for who writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from typing import Any

from rhizomedb.db.attachments import attachment as attached
from rhizomedb.db.attachments import content
from rhizomedb.db.attachments.attachment import Attachment
from rhizomedb.db.attachments.filling import Filling
from rhizomedb.db.attachments.intake import Attached, Content, Intake, Progress, take_in
from rhizomedb.db.identity import as_cid
from rhizomedb.db.limits import Limits
from rhizomedb.db.naming import Names
from rhizomedb.db.transaction import Item, Scope, Transaction, Wishes, check_scope
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Attribute, Entity
from rhizomedb.store.chunks import Stored
from rhizomedb.store.store import Cut, Finding, Store

NOTHING = Cid.of(b"")
"""Stands for an attachment whose name is not known yet."""


class Attaching:
    """The questions about attachments; every reader has them."""

    _store: Store
    _limits: Limits

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        raise AssertionError("a reader has a cut")

    def read_attachment(self, cid: Cid | str) -> BufferedReader:
        """The content of an attachment, as a file opened for reading bytes: a stream in which one can seek.

        Each chunk is hashed as it is read. One that is not here is `attachment.missing`, one that was altered
        `store.damaged`.
        """
        return content.read(self._store, as_cid(cid), self._limits)

    def attachment(self, cid: Cid | str) -> Attachment:
        """What is known of an attachment here: size, chunks, and how much of it is missing."""
        return attached.attachment(self._store, as_cid(cid))

    def attachments(self) -> Iterator[Attachment]:
        """Every attachment that a visible fact names, with the entities and attributes that have it.

        A link to what is not here cannot be told from an attachment, and is listed with no size.
        """
        cut = self.cut
        return attached.attachments(self._store, cut, Names(self._store, cut).label)

    def missing_blocks(self, cid: Cid | str) -> Iterator[Cid]:
        """The blocks of an attachment that are not here, as far as is known yet: first its manifest, then chunks."""
        return attached.missing_blocks(self._store, as_cid(cid))

    def blocks(self, *, lost: list[Finding] | None = None) -> Iterator[Cid]:
        """The blocks that are here of all attachments that visible facts name, each manifest before what it lists.

        Some come several times. A damaged manifest is an error; where a list is given for what is `lost`, it is passed
        over and noted there.
        """
        return attached.blocks(self._store, self.cut, lost)

    def get_blocks(self, cids: Iterable[Cid], *, lost: list[Finding] | None = None) -> Iterator[tuple[Cid, bytes]]:
        """Those of some blocks that are here, with their bytes: what another copy takes in by `put_blocks`.

        A damaged one is an error; where a list is given for what is `lost`, it is passed over and noted there.
        """
        return attached.get_blocks(self._store, cids, lost)


class AttachingWriter(Attaching):
    """What a connection keeps of attachments, and takes in."""

    _wishes: Callable[[Iterable[Item], Names | None], Wishes]
    _transact: Callable[..., Transaction]
    _write: Callable[[Callable[[], Any]], Any]
    _release_if_due: Callable[[], None]

    def attach(
        self,
        entity: Entity | str,
        attribute: Attribute,
        content: Content,
        *,
        author: str | None = None,
        scope: Scope = "seen",
        origin: str = "attachment",
        progress: Progress | None = None,
    ) -> Attached:
        """Keep a file, or any bytes, and say that it is an attribute of an entity: its value is the attachment's CID.

        `content` is bytes, the path of a file, or a file opened for reading bytes, which is read to its end as a
        stream. What is here already is not kept twice. Nothing is said before all of it is here; what an interrupted
        attach leaves behind, `collect_chunks` removes.
        """
        check_scope(scope)
        self._wishes([(entity, attribute, NOTHING)], Names(self._store, self.cut))  # what is wrong shows before reading

        def say(intake: Intake) -> Attached:
            self._release_if_due()

            def finish() -> tuple[Cid, Transaction]:
                cid = intake.finish()
                return cid, self._transact([(entity, attribute, cid)], {}, author, scope, origin)

            cid, said = self._write(finish)
            return Attached(said.epoch, said.deltas, said.facts, cid, intake.size, intake.new)

        return take_in(self._store, content, self._limits, progress, say)

    def put_blocks(self, blocks: Iterable[tuple[Cid, bytes]]) -> Stored:
        """Take in blocks of attachments from elsewhere: each is verified; gives how many were new, and their bytes.

        With `missing_blocks` and `get_blocks` of the other copy an attachment comes here whole:

            while some := list(islice(db.missing_blocks(cid), 100)):
                db.put_blocks(other.get_blocks(some))
        """
        return attached.put_blocks(self._store, blocks, self._limits)

    def filling(self) -> Filling:
        """What the attachments that visible facts name lack here, to be taken in from anybody, within the limits."""
        return Filling(self._store, self.cut, self._limits)

    def collect_chunks(self, *, dry_run: bool = False) -> Stored:
        """Remove the blocks that no attachment has which any fact ever named; gives how many, and their bytes.

        They are left behind where an attach was interrupted; blocks that came before the facts that name them count
        too. The file keeps its size and uses the room again.
        """
        return attached.collect(self._store, dry_run=dry_run)

"""Filling: the attachments that are not whole here, which blocks they lack, and taking these in from anybody.

What a block must be is said by the manifest that lists it: its size, and how high it is. A manifest has to be here before
what it lists is known to be missing, so filling goes in rounds, from the top of each attachment down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rhizomedb.db.attachments.attachment import SHAPE, WRITE_BYTES, drop_contradicting, named, over_total, put
from rhizomedb.db.limits import Limits, check_size
from rhizomedb.errors import AttachmentError, Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import HEIGHT_MAX, Block, Manifest, Part, is_manifest
from rhizomedb.store.chunks import Stored
from rhizomedb.store.store import Cut, Store
from rhizomedb.store.writing import write

WANTED_MAX: Final = 1 << 16
"""How many blocks are looked for at once: of random content, those of 4.5 GiB."""

CHUNK: Final = -1
"""The height of a chunk."""

_OVER: Final = ("attachment.total", "store.quota")
"""What says that there is no room for a block, and not that it is none."""


_NONE: Final = (SHAPE, "attachment.block")
"""What says that an attachment is none."""


class Gap(NamedTuple):
    """A block that an attachment lacks, and what the manifest above it says of it; the root has none above it."""

    root: Cid
    cid: Cid
    size: int | None = None
    height: int | None = None

    def check(self, block: Block, limits: Limits) -> None:
        """Refuse a block that is not what was said of it, and a root whose content is over the limit."""
        if not is_manifest(block.cid):
            _fit(self, len(block.body), CHUNK)
            return
        manifest = Manifest.decode(block.body)
        _fit(self, manifest.size, manifest.height)
        check_size(limits, manifest.size)


def _fit(gap: Gap, size: int, height: int) -> None:
    if gap.size not in (size, None) or gap.height not in (height, None):
        raise AttachmentError("attachment.shape", f"its block {gap.cid} is not of the size or height that it says")


def gaps(store: Store, root: Cid, limits: Limits, *, chunks: bool = True) -> Iterator[Gap]:
    """The blocks that an attachment lacks, as far as its manifests are here; in no fixed order, some several times.

    An attachment over the limit, or that is not put together as it must be, is an error as soon as that shows.
    """
    seen = {Gap(root, root)}
    waiting = list(seen)
    content_bytes = 0
    while waiting:
        gap = waiting.pop()
        body = store.chunks.get(gap.cid)
        if body is None:
            check_size(limits, content_bytes)
            yield gap
            continue
        manifest = Manifest.decode(body)
        _fit(gap, manifest.size, manifest.height)
        if gap.cid == root:
            content_bytes = manifest.size
        if manifest.height:
            lower = [Gap(root, *part, manifest.height - 1) for part in dict.fromkeys(manifest.parts)]
            waiting += [each for each in reversed(lower) if each not in seen]
            seen.update(lower)
        elif chunks:
            for part in _missing(store, root, manifest.parts):
                check_size(limits, content_bytes)
                yield Gap(root, *part, CHUNK)


def _missing(store: Store, root: Cid, parts: Sequence[Part]) -> Iterator[Part]:
    here = store.chunks.sizes(part.cid for part in parts)
    for part in dict.fromkeys(parts):
        size = here.get(part.cid)
        if size is None:
            yield part
        else:
            _fit(Gap(root, *part, CHUNK), size, CHUNK)


class Filling:
    """The attachments that visible facts name and that are not whole here, on their way to become so.

        filling = db.filling()
        for _ in filling.rounds():
            filling.take(other.get_blocks(filling.wanted()))

    An attachment is left out, with the reason, where a limit of this copy keeps it out or a block of it is not what its
    manifests say. `new` is what was taken in.
    """

    def __init__(self, store: Store, cut: Cut, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._roots: dict[Cid, None] = {}
        self._asked: dict[Cid, list[Gap]] = {}
        self.new = Stored()
        self.left_out: dict[Cid, Error] = {}
        for root in named(store, cut):
            for gap in self._gaps(root):
                self._roots[gap.root] = None
                break

    def rounds(self) -> Iterator[int]:
        """What is wanted changes with each; gives how many bytes of chunks are wanted, 0 where manifests are."""
        for _ in range(HEIGHT_MAX + 1):
            before = self.new.blocks
            yield from self._round(chunks=False)
            if self.new.blocks == before:
                break
        self._leave_out_what_has_no_room()
        yield from self._round(chunks=True)
        self._drop_what_is_none()

    def wanted(self) -> list[Cid]:
        """The blocks that are wanted in this round and have not come yet."""
        return list(self._asked)

    def wants(self, cid: Cid) -> bool:
        """Whether a block is among them."""
        return cid in self._asked

    def take(self, blocks: Iterable[tuple[Cid, bytes]]) -> None:
        """Keep those of some blocks that are wanted, in writes of `WRITE_BYTES`, and nothing else.

        Bytes that are not those of their CID are `attachment.block`.
        """
        sound: list[tuple[Cid, Block]] = []
        size = 0
        for cid, body in blocks:
            some = self._asked.pop(cid, None)
            if some is None:
                continue
            sound += self._checked(some, cid, body)
            size += len(body)
            if size >= WRITE_BYTES:
                self._keep(sound)
                sound, size = [], 0
        self._keep(sound)

    def _checked(self, some: list[Gap], cid: Cid, body: bytes) -> Iterator[tuple[Cid, Block]]:
        """A block with each of the attachments that can use it; those to which it does not fit are left out."""
        try:
            block = Block(cid, body)
        except Error as error:
            if hashlib.sha256(body).digest() != bytes(cid)[-32:]:
                raise  # this is about who gave it, not about the attachment
            for gap in some:
                self._leave_out(gap.root, error)
            return
        for gap in some:
            if gap.root in self.left_out:
                continue
            try:
                gap.check(block, self._limits)
            except Error as error:
                self._leave_out(gap.root, error)
            else:
                yield gap.root, block

    def unfilled(self) -> int:
        """How many attachments still lack something, those that were left out not counted."""
        return sum(1 for root in self._roots if root not in self.left_out and any(True for _ in self._gaps(root)))

    def _round(self, *, chunks: bool) -> Iterator[int]:
        count = size = 0
        for root in self._roots:
            for gap in self._gaps(root, chunks=chunks):
                if is_manifest(gap.cid) == chunks:
                    continue
                size += 0 if gap.size is None or gap.cid in self._asked or not chunks else gap.size
                self._asked.setdefault(gap.cid, []).append(gap)
                count += 1
                if count == WANTED_MAX:
                    yield size
                    self._asked, count, size = {}, 0, 0
        if count:
            yield size
            self._asked = {}

    def _gaps(self, root: Cid, *, chunks: bool = True) -> Iterator[Gap]:
        """The gaps of an attachment; if one cannot be had, it is left out."""
        if root in self.left_out:
            return
        try:
            for gap in gaps(self._store, root, self._limits, chunks=chunks):
                yield gap
                if root in self.left_out:
                    return
        except Error as error:
            self._leave_out(root, error)

    def _leave_out_what_has_no_room(self) -> None:
        """An attachment of which only a part would fit takes no room from those that fit."""
        if self._limits.total_bytes is None:
            return
        room = self._limits.total_bytes - self._store.chunks.total().bytes
        planned: set[Cid] = set()
        for root in self._roots:
            more: dict[Cid, int] = {gap.cid: gap.size or 0 for gap in self._gaps(root) if gap.cid not in planned}
            need = sum(more.values())
            if need > room:
                self._leave_out(root, over_total(self._limits))
            else:
                room -= need
                planned.update(more)

    def _drop_what_is_none(self) -> None:
        """What came of an attachment before it turned out to be none is of no use to anybody."""
        drop_contradicting(
            self._store,
            [
                root
                for root, error in self.left_out.items()
                if error.code in _NONE or error.code.startswith("facts.")  # not what is damaged here, or has no room
            ],
        )

    def _keep(self, sound: list[tuple[Cid, Block]]) -> None:
        if not sound:
            return
        try:
            stored = write(self._store, lambda: put(self._store, [block for _, block in sound], self._limits))
        except Error as error:
            if error.code not in _OVER:
                raise
            roots = dict.fromkeys(root for root, _ in sound)
            if len(roots) == 1:
                self._leave_out(sound[0][0], error)
                return
            for one in roots:
                self._keep([(root, block) for root, block in sound if root == one])
        else:
            self.new = Stored(self.new.blocks + stored.blocks, self.new.bytes + stored.bytes)

    def _leave_out(self, root: Cid, error: Error) -> None:
        self.left_out.setdefault(root, type(error)(error.code, f"attachment {root}: {error.message}", fix=error.fix))

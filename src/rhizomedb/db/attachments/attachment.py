"""Attachments: files and other large values, kept beside the facts that name them.

The value in the fact is the CID of a manifest; the content lies in chunks, each kept once (`facts.manifest`). It comes in
as a stream, chunk by chunk, and nothing names it before all of it is here. It goes out as a stream, each chunk hashed
as it is read. A copy that learned the fact may not have the blocks yet: it can say which, and take them from anybody,
since a block proves itself.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Set
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.db.limits import VARIABLES, Limits
from rhizomedb.errors import AttachmentError, Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.manifest import Block, Manifest, is_manifest
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import Attribute, Entity, exact
from rhizomedb.store.chunks import DAMAGED, Stored, missing
from rhizomedb.store.store import ALL, Cut, Finding, Store
from rhizomedb.store.writing import write

WRITE_BYTES: Final = 8 << 20
"""How much is gathered before it is written: a reader of a slow pipe keeps no other writer waiting."""

SHAPE: Final = "attachment.shape"
"""The code of what is signed and hashed as it should be, and is no attachment: nobody's damage, and of no use to anybody."""

COLLECT_BLOCKS: Final = 1000
"""How many blocks are removed at once."""


class Place(NamedTuple):
    """Where an attachment is named: the entity, what it is called, and the attribute."""

    entity: Entity
    label: str
    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is known of an attachment here: its size in bytes, its chunks, and how many of its blocks are missing.

    `size` is None where not even the manifest is here. What is behind a missing manifest is not counted. Where a block of it
    is not what the manifest above says, it `contradicts` itself: nobody ever has all of it, and the counts stop there.
    `places`, in a list of all, are the entities and attributes whose facts name it.
    """

    cid: Cid
    size: int | None
    chunks: int
    missing: int
    places: tuple[Place, ...] = ()
    contradicts: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all of it is here."""
        return self.missing == 0 and not self.contradicts


# -- what is here --------------------------------------------------------------------------------------------------------


def manifest_of(store: Store, cid: Cid) -> Manifest | None:
    """The manifest that a CID names, or None where it is not here."""
    body = store.chunks.get(cid)
    return None if body is None else Manifest.decode(body)


def lacking(cid: Cid, what: str) -> AttachmentError:
    """The error for a block that is not here."""
    return AttachmentError(
        "attachment.missing",
        f"{what} {cid} is not in this copy",
        fix="rhizome pull FILE URL, from a place where a copy pushed that has it",
    )


def contradicts(cid: Cid) -> AttachmentError:
    """The error for a block that is not what a manifest above it says."""
    return AttachmentError("attachment.shape", f"block {cid} is not what the manifest that lists it says")


Said: TypeAlias = tuple[int, int] | None
"""The size and the height of a manifest, as far as anything is known of them."""


def manifests(
    store: Store, root: Cid, *, seen: MutableMapping[Cid, Said] | None = None, lost: list[Finding] | None = None
) -> Iterator[tuple[Cid, Manifest | None]]:
    """The different manifests of an attachment from the root down, each once; None for those that are not here.

    A stranger's manifests may name one another so often that their content is beyond all bounds; they are few. One that
    is not what another says of it is `attachment.shape`. Those in `seen` do not come; damaged ones are noted as `lost`.
    """
    seen = {} if seen is None else seen
    seen[root] = None
    waiting = [root]
    while waiting:
        cid = waiting.pop()
        body = next((body for _, body in get_blocks(store, [cid], lost)), None)
        manifest = None if body is None else Manifest.decode(body)
        if manifest is not None:
            found = manifest.size, manifest.height
            if seen[cid] not in (None, found):
                raise contradicts(cid)
            seen[cid] = found
        yield cid, manifest
        if manifest is None or not manifest.height:
            continue
        for part in reversed(manifest.parts):
            said = part.size, manifest.height - 1
            if part.cid not in seen:
                seen[part.cid] = said
                waiting.append(part.cid)
            elif seen[part.cid] not in (None, said):
                raise contradicts(part.cid)


def chunks_here(store: Store, manifest: Manifest) -> dict[Cid, int]:
    """Those chunks of a manifest of height 0 that are here, with their sizes; `attachment.shape` if it says others."""
    here = store.chunks.sizes(part.cid for part in manifest.parts)
    for part in manifest.parts:
        if here.get(part.cid, part.size) != part.size:
            raise contradicts(part.cid)
    return here


def missing_blocks(store: Store, root: Cid) -> Iterator[Cid]:
    """The blocks of an attachment that are not here, as far as its manifests are; in no fixed order.

    A chunk that several manifests list may come several times.
    """
    for cid, manifest in manifests(store, root):
        if manifest is None:
            yield cid
        elif not manifest.height:
            here = chunks_here(store, manifest)
            yield from dict.fromkeys(part.cid for part in manifest.parts if part.cid not in here)


def attachment(store: Store, root: Cid, places: Iterable[Place] = ()) -> Attachment:
    """What is known of an attachment here."""
    if not is_manifest(root):
        raise not_one(f"{root} is not the CID of a manifest")
    size: int | None = None
    count = lacking = 0
    is_sound = True
    try:
        for cid, manifest in manifests(store, root):
            if manifest is None:
                lacking += 1
                continue
            if cid == root:
                size = manifest.size
            if not manifest.height:
                different = {part.cid for part in manifest.parts}
                count += len(different)
                lacking += len(different) - len(chunks_here(store, manifest))
    except AttachmentError as error:
        if error.code != SHAPE:
            raise
        is_sound = False
    return Attachment(root, size, count, lacking, tuple(places), contradicts=not is_sound)


def not_one(what: str) -> AttachmentError:
    """The error for what does not name an attachment."""
    return AttachmentError("attachment.unknown", what, fix="rhizome attachments FILE")


def named(store: Store, cut: Cut) -> dict[Cid, list[tuple[Entity, Attribute]]]:
    """The attachments that visible facts name, each with the registers whose facts do.

    A link to a manifest that is not here cannot be told from one to something else, unless that is a fact or a delta
    here: so it counts as one.
    """
    found: dict[Cid, list[tuple[Entity, Attribute]]] = {}
    for summary in store.attributes(cut):
        attribute = summary.attribute
        if is_reserved(attribute) or "cid" not in dict(summary.kinds):
            continue
        for _fact, entity, _attribute, value in store.scan("fact", {"attribute": exact(attribute)}, cut):
            if type(value) is Cid and is_manifest(value):
                assert type(entity) is bytes, "an entity is bytes"
                found.setdefault(value, []).append((entity, attribute))
    here = store.chunks.sizes(found)
    return {
        cid: registers
        for cid, registers in found.items()
        if cid in here or not (store.has(cid) or any(True for _ in store.scan("fact", {"$cid": cid}, ALL)))
    }


def attachments(store: Store, cut: Cut, label: Callable[[Entity], str]) -> Iterator[Attachment]:
    """Every attachment that a visible fact names; of one whose manifest is not here the size is not known."""
    for cid, registers in named(store, cut).items():
        yield attachment(store, cid, [Place(entity, label(entity), attribute) for entity, attribute in registers])


# -- between copies -------------------------------------------------------------------------------------------------------


def get_blocks(store: Store, cids: Iterable[Cid], lost: list[Finding] | None = None) -> Iterator[tuple[Cid, bytes]]:
    """Those of some blocks that are here, with their bytes; damaged ones are noted as `lost`, if there is a list for it."""
    for cid in cids:
        try:
            body = store.chunks.get(cid)
        except StoreError as error:
            if lost is None or error.code != DAMAGED:
                raise
            lost.append(Finding(f"block {cid}", error.code, error.message))
        else:
            if body is not None:
                yield cid, body


def blocks(store: Store, cut: Cut, lost: list[Finding] | None = None) -> Iterator[Cid]:
    """The blocks that are here of all attachments that visible facts name, each manifest before what it lists.

    Some come several times. What is behind a damaged manifest does not come, nor does an attachment that contradicts itself.
    """
    passed: dict[Cid, Said] = {}
    for root in named(store, cut):
        if root not in passed:
            new: dict[Cid, Said] = {}
            yield from _blocks(store, root, ChainMap(new, passed), lost)
            passed |= new


def _blocks(store: Store, root: Cid, seen: ChainMap[Cid, Said], lost: list[Finding] | None) -> list[Cid]:
    """The blocks that are here of one attachment but those of manifests that were seen; none if it contradicts itself."""
    found: dict[Cid, None] = {}
    try:
        for cid, manifest in manifests(store, root, seen=seen, lost=lost):
            if manifest is not None:
                found[cid] = None
                if not manifest.height:
                    here = chunks_here(store, manifest)
                    found.update((part.cid, None) for part in manifest.parts if part.cid in here)
    except AttachmentError as error:
        if error.code != SHAPE:
            raise
        seen.maps[0].clear()
        return []
    return list(found)


def put(store: Store, blocks: Iterable[Block], limits: Limits) -> Stored:
    """Keep blocks inside `writing`, unless all together would be over the limit."""
    blocks = list(blocks)
    if limits.total_bytes is not None:
        bodies = {block.cid: block.body for block in blocks}
        new = sum(len(bodies[cid]) for cid in missing(store.chunks, list(bodies)))
        if new and store.chunks.total().bytes + new > limits.total_bytes:
            raise over_total(limits)
    return store.chunks.put(blocks)


def over_total(limits: Limits) -> AttachmentError:
    """The error for blocks that do not fit below the limit for all together."""
    return AttachmentError(
        "attachment.total",
        f"with these all attachments would have more than {limits.total_bytes:,} bytes, the limit",
        fix=f"a greater limit: {VARIABLES['total_bytes']}=64G; rhizome attachments FILE --collect removes"
        " what nothing names",
    )


def put_blocks(store: Store, blocks: Iterable[tuple[Cid, bytes]], limits: Limits) -> Stored:
    """Take in blocks from elsewhere, each verified, in writes of `WRITE_BYTES`; gives how many were new."""
    new, size = 0, 0
    verified = (Block(cid, body) for cid, body in blocks)
    for batch in _batches(verified):
        stored = write(store, partial(put, store, batch, limits))
        new, size = new + stored.blocks, size + stored.bytes
    return Stored(new, size)


def _batches(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    batch: list[Block] = []
    size = 0
    for block in blocks:
        batch.append(block)
        size += len(block.body)
        if size >= WRITE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# -- what nothing names ---------------------------------------------------------------------------------------------------


def collect(store: Store, *, dry_run: bool) -> Stored:
    """Remove the blocks of no attachment that any fact ever named, held-back ones among them; gives how many.

    An attachment that contradicts itself is none.
    """

    def drop_unnamed() -> Stored:
        kept = _kept(store)
        unnamed = (cid for cid in store.chunks.cids() if cid not in kept)
        blocks = size = 0
        while some := list(islice(unnamed, COLLECT_BLOCKS)):
            found = store.chunks.sizes(some) if dry_run else store.chunks.drop(some)
            blocks += len(found)
            size += sum(found.values())
        return Stored(blocks, size)

    return write(store, drop_unnamed)  # one write, so that nobody names anything between looking and removing


def unnamed(store: Store) -> Stored:
    """How many blocks `collect` would remove now, without a write: somebody may be about to name them."""
    kept = _kept(store)
    sizes = store.chunks.sizes(cid for cid in store.chunks.cids() if cid not in kept)
    return Stored(len(sizes), sum(sizes.values()))


def drop_contradicting(store: Store, roots: Collection[Cid]) -> None:
    """Remove what only these attachments have, which are none: perhaps that shows by a block which was not even kept."""
    theirs: set[Cid] = set()
    waiting = list(roots)
    while waiting:
        cid = waiting.pop()
        if cid in theirs:
            continue
        theirs.add(cid)
        if is_manifest(cid):
            with suppress(Error):  # it is none, or not here
                manifest = manifest_of(store, cid)
                waiting += () if manifest is None else (part.cid for part in manifest.parts)
    if store.chunks.sizes(theirs):
        write(store, lambda: store.chunks.drop(theirs - _kept(store, without=set(roots))))


def _kept(store: Store, without: Set[Cid] = frozenset()) -> set[Cid]:
    """The blocks of all attachments that facts ever named, here or not, but of those that contradict themselves."""
    kept: set[Cid] = set()
    for root in [root for root in _named(store) if root not in without]:
        theirs: set[Cid] = set()
        try:
            for cid, manifest in manifests(store, root):
                theirs.add(cid)
                if manifest is not None:
                    theirs.update(part.cid for part in manifest.parts)
                    if not manifest.height:
                        chunks_here(store, manifest)
        except AttachmentError as error:
            if error.code != SHAPE:
                raise
        else:
            kept |= theirs
    return kept


def _named(store: Store) -> Iterator[Cid]:
    """Every manifest here that a fact names, of any delta that this copy has."""
    held: set[Cid] = set()
    for each in store.held():
        envelope = store.envelope(each.id)
        assert envelope is not None, "what is held has an envelope"
        held.update(fact.value for fact in Delta.decode(envelope).facts if type(fact.value) is Cid)
    for cid in store.chunks.cids(manifests=True):
        if cid in held or any(True for _ in store.scan("fact", {"value": cid}, ALL)):
            yield cid

"""Push: what a place does not have yet, in new bundles and packs. Nothing there is ever changed or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse

from rhizomedb._record import dataclass
from rhizomedb.db.connection import Connection
from rhizomedb.errors import RemoteError
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.manifest import is_manifest
from rhizomedb.remote import known
from rhizomedb.remote.bundle import Item, pack
from rhizomedb.remote.catalog import REFUSED_MAX, Catalog
from rhizomedb.remote.kind import BLOCKS, DELTAS, Kind, id_of
from rhizomedb.remote.place import Place, Progress
from rhizomedb.remote.url import opened
from rhizomedb.store.store import Finding


@dataclass(frozen=True, slots=True)
class Push:
    """What a push did: the deltas it wrote, in how many bundles of how many bytes, and how many were there already.

    `blocks` of attachments were written, of `block_bytes` before they were packed, in so many `packs`. `refused_count`
    bundles and packs there are broken, `refused` names the first 1,000 of them; `strangers` are objects that are neither;
    `lost` is what should have been written and can no longer be read of this file.
    """

    new: int = 0
    known: int = 0
    bundles: int = 0
    bytes: int = 0
    blocks: int = 0
    block_bytes: int = 0
    packs: int = 0
    strangers: int = 0
    refused_count: int = 0
    refused: tuple[RemoteError, ...] = ()
    lost: tuple[Finding, ...] = ()


def push(
    db: Connection, url: str, *, attachments: bool = True, check: bool = False, progress: Progress | None = None
) -> Push:
    """Write to a place (a folder, `s3://bucket/prefix`) the visible deltas, and the attachments they name, that it lacks.

    What a bundle or pack there holds is believed of its head; with `check` every one is read and verified to its end, and
    what broken ones should have held is written anew. A push that was interrupted goes on where it stopped. Several
    may push at once. Without `attachments`, their content is left out. `progress` is told of deltas and blocks.
    Errors: `remote.*`.
    """
    lost: list[Finding] = []
    with opened(url) as place:
        bundles, packs = Catalog(place, DELTAS), Catalog(place, BLOCKS)
        here = known.visible(db)
        missing = _not_there(here, bundles, place, check)
        blocks = dict.fromkeys(map(bytes, db.blocks(lost=lost))) if attachments else {}
        lacking = _not_there(blocks, packs, place, check) if blocks else set()
        tell = _teller(progress, len(missing) + len(lacking))
        # Content before the facts that name it: who pulls meanwhile finds it. Manifests in packs of their own, because a
        # pull asks for all of them before it knows which chunks it needs.
        content = _Writer(place, BLOCKS, tell)
        wanted = [Cid(raw) for raw in blocks if raw in lacking]
        for some in (filter(is_manifest, wanted), filterfalse(is_manifest, wanted)):
            content.write((bytes(cid), body) for cid, body in db.get_blocks(some, lost=lost))
        said = _Writer(place, DELTAS, tell)
        ids = (Cid(PREFIX + raw) for raw in missing)
        said.write((id_of(delta.id), delta.encode()) for delta in db.get_deltas(ids, lost=lost))
    return Push(
        new=said.items,
        known=len(here) - len(missing),
        bundles=said.bundles,
        bytes=said.bytes,
        blocks=content.items,
        block_bytes=content.item_bytes,
        packs=content.bundles,
        strangers=bundles.strangers + packs.strangers,
        refused_count=len(bundles.broken) + len(packs.broken),
        refused=tuple([*bundles.refused, *packs.refused][:REFUSED_MAX]),
        lost=tuple(lost),
    )


def _not_there(ids: Iterable[bytes], catalog: Catalog, place: Place, check: bool) -> set[bytes]:
    """Those of some ids that nothing in a place holds."""
    missing = set(ids)
    try:
        entries = catalog.entries()
        for entry in catalog.sound(entries) if check else entries:
            missing.difference_update(entry.head.ids)
    except RemoteError as error:
        if error.code != "remote.not-found" or not place.is_made:
            raise
    return missing


def _teller(progress: Progress | None, total: int) -> Callable[[int], None]:
    """Adds up what is done."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    return tell


class _Writer:
    """Writes items into a place, bundle by bundle, and counts."""

    def __init__(self, place: Place, kind: Kind, tell: Callable[[int], None]) -> None:
        self._place = place
        self._kind = kind
        self._tell = tell
        self.items = self.item_bytes = self.bundles = self.bytes = 0

    def write(self, items: Iterable[Item]) -> None:
        """Write items in bundles; each is there whole before the next is made."""
        for bundle in pack(self._kind, self._weighed(items)):
            self._place.write(self._kind, str(bundle.name), bundle.data)
            self.items += bundle.name.count
            self.bundles += 1
            self.bytes += len(bundle.data)
            self._tell(bundle.name.count)

    def _weighed(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.item_bytes += len(item[1])
            yield item

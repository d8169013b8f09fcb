"""Push: what a place does not have yet, in new bundles. Nothing there is ever changed or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from rhizomedb.db.connection import Connection
from rhizomedb.errors import RemoteError
from rhizomedb.remote import known
from rhizomedb.remote.bundle import id_of, pack
from rhizomedb.remote.catalog import Catalog
from rhizomedb.remote.place import Progress
from rhizomedb.remote.url import opened
from rhizomedb.store.store import Finding


@dataclass(frozen=True, slots=True)
class Push:
    """What a push did: the deltas it wrote, in how many bundles of how many bytes, and how many were there already.

    `refused_count` bundles there are broken, `refused` names the first 1,000 of them; `strangers` are objects that are no
    bundles; `lost` is what of this file can no longer be read.
    """

    new: int = 0
    known: int = 0
    bundles: int = 0
    bytes: int = 0
    strangers: int = 0
    refused_count: int = 0
    refused: tuple[RemoteError, ...] = ()
    lost: tuple[Finding, ...] = ()


def push(db: Connection, url: str, *, check: bool = False, progress: Progress | None = None) -> Push:
    """Write to a place (a folder, `s3://bucket/prefix`) every visible delta that it does not have yet.

    What a bundle there holds is believed of its head; with `check` every bundle is read and verified to its end, and
    what broken ones should have held is written anew. A push that was interrupted goes on where it stopped. Several
    may push at once. `progress` is told of deltas. Errors: `remote.*`.
    """
    with opened(url) as place:
        catalog = Catalog(place)
        try:
            entries = catalog.entries()
            there = {delta for entry in (catalog.sound(entries) if check else entries) for delta in entry.head.ids}
        except RemoteError as error:
            if error.code != "remote.not-found" or not place.is_made:
                raise
            there = set()
        here = known.visible(db)
        missing = here - there
        lost: list[Finding] = []
        new = bundles = size = 0
        deltas = db.deltas(lost=lost) if missing else iter(())
        for bundle in pack(delta.encode() for delta in deltas if id_of(delta.id) in missing):
            place.write(str(bundle.name), bundle.data)
            new, bundles, size = new + bundle.name.count, bundles + 1, size + len(bundle.data)
            if progress is not None:
                progress(new, len(missing))
    return Push(
        new=new,
        known=len(here & there),
        bundles=bundles,
        bytes=size,
        strangers=catalog.strangers,
        refused_count=len(catalog.broken),
        refused=tuple(catalog.refused),
        lost=tuple(lost),
    )

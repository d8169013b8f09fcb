"""Pull: what this copy does not have yet, out of the bundles and packs of a place, verified as from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.db.connection import Connection
from rhizomedb.errors import DeltaRefused, Error, RemoteError, ValueRefused
from rhizomedb.remote import known
from rhizomedb.remote.bundle import Name
from rhizomedb.remote.catalog import HEADS_BYTES_MAX, REFUSED_MAX, Catalog, Entry
from rhizomedb.remote.content import Content
from rhizomedb.remote.kind import DELTAS, id_of
from rhizomedb.remote.place import Progress
from rhizomedb.remote.url import opened

BATCH_BYTES: Final = 4 << 20
"""How many bytes of envelopes are gathered before they are admitted together."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What a pull did: deltas that are new here, those held back for now, and how many of the place's were here already.

    `bundles` were read. `unsent` deltas are here and not there: never pushed, or lost there. `refused_count` bundles
    are broken, `refused` names the first 1,000 of them; `strangers` are objects that are no bundles. `not_kept_count`
    deltas are sound, but a limit of this copy keeps them out; `not_kept` says why of the first 1,000.

    `blocks` of attachments are new here, of `block_bytes` together, out of so many `packs`; where packs are broken, or
    objects beside them strange, they count like bundles. `unfilled` attachments lack what is not there either;
    `left_out_count` are kept out by a limit, or are none, and `left_out` says why of the first 1,000.
    """

    new: int = 0
    held: int = 0
    known: int = 0
    bundles: int = 0
    unsent: int = 0
    strangers: int = 0
    refused_count: int = 0
    refused: tuple[RemoteError, ...] = ()
    not_kept_count: int = 0
    not_kept: tuple[Error, ...] = ()
    blocks: int = 0
    block_bytes: int = 0
    packs: int = 0
    unfilled: int = 0
    left_out_count: int = 0
    left_out: tuple[Error, ...] = ()


def pull(db: Connection, url: str, *, attachments: bool = True, progress: Progress | None = None) -> Pull:
    """Take in from a place (a folder, `s3://bucket/prefix`) the deltas that are not here yet, and what attachments lack.

    All of it is verified. What is broken or forged there is refused and named, and keeps nothing else from coming in.
    What was taken in stays when a pull is interrupted; another goes on. Without `attachments`, their content is
    left out. `progress` is told of bytes. Errors: `remote.*`, `store.*`.
    """
    with opened(url) as place:
        catalog = Catalog(place, DELTAS, HEADS_BYTES_MAX)
        intake = Intake(db, catalog, f"pull from {place.label}", known.visible(db) | known.held(db))
        before: set[bytes] = set()
        wanted: list[
            tuple[Name, int]
        ] = []  # without the heads, which a stranger can make as many and as long as there is disk
        for entry in catalog.entries(progress):
            before.update(intake.here.intersection(entry.head.ids))
            if intake.wants(entry):
                wanted.append((entry.head.name, entry.size))
            else:
                catalog.forget(entry)
        total = sum(size for _, size in wanted)
        done = 0
        try:
            for entry, envelopes in catalog.bodies(filter(intake.wants, catalog.again(wanted))):
                intake.take(entry, envelopes)
                done += entry.size
                if progress is not None:
                    progress(done, total)
        finally:
            intake.flush()  # a place that stops answering takes nothing back of what it gave
        content = Content.of(place)
        if attachments:
            content.fill(db, progress)
    return Pull(
        new=intake.new,
        held=intake.held,
        known=len(before),
        bundles=intake.bundles,
        unsent=len(known.visible(db) - intake.there),
        strangers=catalog.strangers + content.catalog.strangers,
        refused_count=len(catalog.broken) + len(content.catalog.broken),
        refused=tuple([*catalog.refused, *content.catalog.refused][:REFUSED_MAX]),
        not_kept_count=intake.not_kept_count,
        not_kept=tuple(intake.not_kept),
        blocks=content.new.blocks,
        block_bytes=content.new.bytes,
        packs=content.packs,
        unfilled=content.unfilled,
        left_out_count=len(content.left_out),
        left_out=tuple(content.left_out[:REFUSED_MAX]),
    )


@dataclass
class Intake:
    """Envelopes on their way into a copy: gathered, admitted in batches, and those sorted out that are not admitted.

    `here` are the ids of what this copy has, `there` those of them that the place has in bundles that are not broken.
    """

    db: Connection
    catalog: Catalog
    origin: str
    here: set[bytes]
    new: int = 0
    held: int = 0
    bundles: int = 0
    not_kept_count: int = 0
    not_kept: list[Error] = field(default_factory=list)
    there: set[bytes] = field(default_factory=set)
    _batch: list[tuple[Entry, list[bytes]]] = field(default_factory=list)
    _bytes: int = 0

    def wants(self, entry: Entry) -> bool:
        """Whether a bundle has something that is not here: asked again when its turn comes, as others may bring it."""
        if self.here.issuperset(entry.head.ids):
            self.there.update(entry.head.ids)
            return False
        return True

    def take(self, entry: Entry, envelopes: Iterable[bytes]) -> None:
        """Gather what is not here of a bundle."""
        self.bundles += 1
        fresh = [envelope for envelope in envelopes if id_of(envelope) not in self.here]
        self._batch.append((entry, fresh))
        self._bytes += entry.head.name.head_bytes + sum(map(len, fresh))
        if self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Admit what was gathered, but what is forged and what a limit of this copy keeps out."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if not batch:
            return
        gathered = [(entry, envelope) for entry, envelopes in batch for envelope in envelopes]
        admission = self.db.admit((envelope for _, envelope in gathered), origin=self.origin, refuse="collect")
        self.new += admission.new
        self.held += admission.held
        out: set[int] = set()
        forged: dict[Entry, list[tuple[bytes, Error]]] = {}
        for place, error in ((refusal.place, refusal.error) for refusal in admission.refused):
            if place is None:  # held back here since long, and damaged: `verify` says so
                continue
            out.add(place)
            entry, envelope = gathered[place]
            if isinstance(error, DeltaRefused | ValueRefused):
                forged.setdefault(entry, []).append((id_of(envelope), error))
            else:
                self._keep_out(error)
        for entry, refused in forged.items():
            self.catalog.refuse_forged(entry, refused)
        self.here.update(id_of(envelope) for place, (_, envelope) in enumerate(gathered) if place not in out)
        for entry, _ in batch:
            if entry.head.name not in self.catalog.broken:
                self.there.update(self.here.intersection(entry.head.ids))

    def _keep_out(self, error: Error) -> None:
        self.not_kept_count += 1
        if len(self.not_kept) < REFUSED_MAX:
            self.not_kept.append(error)

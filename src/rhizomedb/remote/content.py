"""Content: what attachments lack in a copy, out of the packs of a place."""

from __future__ import annotations

from dataclasses import field

from rhizomedb._record import dataclass
from rhizomedb.db.attachments.filling import Filling
from rhizomedb.db.connection import Connection
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.remote.catalog import HEADS_BYTES_MAX, Catalog, Entry
from rhizomedb.remote.kind import BLOCKS
from rhizomedb.remote.place import Place, Progress
from rhizomedb.store.chunks import Stored


@dataclass
class Content:
    """What came of the content of attachments: blocks that are new here, the packs that were read, what is still missing."""

    catalog: Catalog
    new: Stored = field(default_factory=Stored)
    packs: int = 0
    unfilled: int = 0
    left_out: list[Error] = field(default_factory=list)

    @classmethod
    def of(cls, place: Place) -> Content:
        """Of a place; nothing is read yet."""
        return cls(Catalog(place, BLOCKS, HEADS_BYTES_MAX))

    def fill(self, db: Connection, progress: Progress | None) -> None:
        """Take in what is missing, in rounds; each reads the packs that it needs, and what was kept stays kept."""
        filling = db.filling()
        for size in filling.rounds():
            before = filling.new.bytes
            for entry, blocks in self.catalog.bodies(self._wanted(filling)):
                self.packs += 1
                filling.take(zip(map(Cid, entry.head.ids), blocks, strict=True))
                if progress is not None:
                    progress(filling.new.bytes - before, size)
        self.new = filling.new
        self.unfilled = filling.unfilled()
        self.left_out = list(filling.left_out.values())

    def _wanted(self, filling: Filling) -> filter[Entry]:
        return filter(lambda entry: any(filling.wants(Cid(each)) for each in entry.head.ids), self.catalog.entries())

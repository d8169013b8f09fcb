"""The things of one schema, to be asked for: `Movie = db.things("Movie")`, and then `Movie.where(year__gt=1990)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, final

from rhizomedb._record import dataclass
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader


@final
@dataclass(frozen=True, slots=True)
class Things:
    """The things of a schema or class in a database: found by constraint, or all of them in the order of their ids.

    A class belongs to no database, so one is asked here: at a snapshot, another time or a supposition as well.
    """

    reader: Reader
    schema: Wanted

    def where(self, conditions: Mapping[str, object] | None = None, /, **more: Any) -> list[Any]:
        """Those that meet constraints; the conditions and options are those of the database's own `where`."""
        return self.reader.where(self.schema, conditions, **more)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.where())

    def __repr__(self) -> str:
        known, id = schemas_for(self.reader, self.schema, ())
        return f"<Things of {known[id].name}>"


def things(reader: Reader, schema: Wanted) -> Things:
    """See `Viewing.things`."""
    schemas_for(reader, schema, ())  # a slip is told here, not at the first question
    return Things(reader, schema)

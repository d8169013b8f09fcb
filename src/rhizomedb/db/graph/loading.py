"""Instances of typed classes from the views of a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from rhizomedb.db.graph.choosing import choosing
from rhizomedb.db.graph.hyperedges import Thing
from rhizomedb.db.graph.hyperviews import find_schema
from rhizomedb.errors import RequestError
from rhizomedb.hyper import generated
from rhizomedb.hyper.instance import instance_of
from rhizomedb.hyper.resolution import Choose
from rhizomedb.hyper.typed import typed

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader

T = TypeVar("T")


def load(
    reader: Reader,
    thing: Thing,
    cls: type[T],
    policy: str | Choose,
    policies: Mapping[str, str | Choose] | None,
    trusted: Iterable[str] | None,
) -> T:
    """See `Viewing.load`."""
    first: Any = thing  # whatever is given
    if isinstance(first, type) and not isinstance(cls, type):
        raise RequestError(
            "db.usage", "the thing comes first, then the class", fix=f"db.load({cls!r:.40}, {first.__name__})"
        )
    of, chosen = typed(cls), choosing(reader, policy, policies)
    found: T = instance_of(of, chosen.shown(reader.hyperview(thing, cls, trusted=trusted)))
    return found


def class_of(reader: Reader, schema: str) -> type[Any]:
    """See `Viewing.class_of`."""
    if not isinstance(schema, str):
        raise RequestError("db.usage", f"{schema!r:.60} is no id or name of a schema", fix='db.class_of("Movie")')
    known = reader.schemas()
    return generated.class_of(known[find_schema(known, schema)], known.values())

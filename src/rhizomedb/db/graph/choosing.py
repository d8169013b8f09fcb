"""How views are resolved: the policies that somebody names, understood once and used for many views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rhizomedb._record import dataclass
from rhizomedb.db.whole_records import groups_of
from rhizomedb.errors import RequestError
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.resolution import Choose, policy_of, resolve

if TYPE_CHECKING:
    from rhizomedb.crdt.together import Given, Together


class Knowing(Protocol):
    """The reader that knows authors by name."""

    @property
    def author_key(self) -> Callable[[str], bytes]:
        """The key of an author."""
        ...


@dataclass(frozen=True, slots=True)
class Choosing:
    """A policy for every property, and those of single ones."""

    choose: Choose
    special: Mapping[str, Choose]
    together: tuple[Together, ...] = ()

    def shown(self, view: HyperView) -> dict[str, Any]:
        """A view as plain data."""
        if not self.together:
            return resolve(view, self.choose, self.special)
        from rhizomedb.hyper.whole_records import shown_together  # most views have none

        wholes = partial(shown_together, groups=self.together, choose=self.choose)
        return resolve(view, self.choose, self.special, wholes=wholes)


def choosing(
    reader: Knowing, policy: str | Choose, policies: Mapping[str, str | Choose] | None, together: Given = ()
) -> Choosing:
    """The policies that are meant; see `Hypergraph.show`."""
    if policies is not None and not isinstance(policies, Mapping):
        raise RequestError("db.usage", f"{policies!r:.60} is no mapping", fix='policies={"runtime": "max"}')
    special = {name: policy_of(each, reader.author_key) for name, each in (policies or {}).items()}
    groups = groups_of(together)
    if groups and isinstance(policy, str):
        from rhizomedb.crdt.together import refuse_for_records

        refuse_for_records(policy)
    return Choosing(policy_of(policy, reader.author_key), special, groups)

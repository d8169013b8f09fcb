"""How views are resolved: the policies that somebody names, understood once and used for many views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.resolution import Choose, policy_of, resolve


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

    def shown(self, view: HyperView) -> dict[str, Any]:
        """A view as plain data."""
        return resolve(view, self.choose, self.special)


def choosing(reader: Knowing, policy: str | Choose, policies: Mapping[str, str | Choose] | None) -> Choosing:
    """The policies that are meant; see `Hypergraph.show`."""
    if policies is not None and not isinstance(policies, Mapping):
        raise RequestError("db.usage", f"{policies!r:.60} is no mapping", fix='policies={"runtime": "max"}')
    special = {name: policy_of(each, reader.author_key) for name, each in (policies or {}).items()}
    return Choosing(policy_of(policy, reader.author_key), special)

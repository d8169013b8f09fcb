"""Facts and deltas: what can be said, its one encoding, its name, who said it, and what it came after.

In the order in which they build on each other: `value` and `cid` (what a fact can hold), `codec` (its bytes), `fact`,
`entity`, `causality`, `kernels` and `stretch` (many facts at once), `clock` and `signature` (when and by whom), `payload`
and `delta`. `dagjson` is the same as text.
"""

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.entity import derive, mint
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.payload import Group, Scope
from rhizomedb.facts.signature import Key
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Attribute, Entity, Value

__all__ = [
    "Attribute",
    "Cid",
    "Delta",
    "Entity",
    "Fact",
    "Group",
    "HybridTime",
    "Key",
    "Scope",
    "Stretch",
    "Value",
    "derive",
    "mint",
]

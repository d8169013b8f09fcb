"""The quotas of a connection: what a call says, else what the environment says, else the usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from rhizomedb.db.limits import bytes_of
from rhizomedb.store.quota import Quota

VARIABLES: Final = {
    "bytes": "RHIZOME_BYTES_MAX",
    "held_deltas": "RHIZOME_HELD_DELTAS_MAX",
    "held_bytes": "RHIZOME_HELD_BYTES_MAX",
    "memory": "RHIZOME_MEMORY_BYTES_MAX",
}
"""Where the quotas stand in the environment, as "104857600", "100M", "2G" or "none"."""


def quota_of(environment: Mapping[str, str], **given: int | Literal["default"] | None) -> Quota:
    """The quotas that are given, the environment's for those that are "default"."""
    limits: dict[str, int | None] = {}
    for name, limit in given.items():
        variable = VARIABLES[name]
        if limit != "default":
            limits[name] = limit
        elif variable in environment:
            limits[name] = bytes_of(environment[variable], variable, "deltas" if name == "held_deltas" else "bytes")
    return Quota(**limits)

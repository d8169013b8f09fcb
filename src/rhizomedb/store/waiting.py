"""What is taken in and in no segment yet. A little of it is only counted, so that who writes single facts and reads
nothing between them does not wait for segments of a few facts each."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from rhizomedb.facts.codec import read_head
from rhizomedb.facts.kernels import DIGEST_BYTES
from rhizomedb.store.said import Said, causes_at

COUNTED_DELTAS: Final = 64
COUNTED_FACTS: Final = 64
COUNTED_BYTES: Final = 64 << 10
"""How much may wait and only be counted: a segment of it is built in less time than anybody notices."""


class Waiting:
    """Deltas in the order of the log, behind an index that knows none of them."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.ids: set[bytes] = set()
        self.facts_said = 0
        self.bytes = 0
        self.time = (0, 0)
        self.facts = self.causes = self.repeats = 0
        self._counted = 0
        self._digests: set[bytes] = set()

    def add(self, said: Said) -> None:
        """Take in the next."""
        self.said.append(said)
        self.ids.add(said.id)
        self.facts_said += len(said.digests) // DIGEST_BYTES
        self.bytes += len(said.data)
        self.time = max(self.time, (said.ms, said.counter))

    @property
    def is_counted(self) -> bool:
        """Whether it was left to wait after it was counted."""
        return self._counted > 0

    @property
    def is_little(self) -> bool:
        """Whether it is so little that it may wait longer."""
        most = self.facts_said <= COUNTED_FACTS and self.bytes <= COUNTED_BYTES
        return most and len(self.said) <= COUNTED_DELTAS

    def may_have_fact(self, digest: bytes) -> bool:
        """Whether some delta of these may say a fact: of one that was not counted yet, nothing is known."""
        return self._counted < len(self.said) or digest in self._digests

    def count(self, index: Any) -> None:
        """Make `facts`, `causes` and `repeats` what a segment of all of it would have."""
        for said in islice(self.said, self._counted, None):
            for place in range(len(said.digests) // DIGEST_BYTES):
                digest = said.digests[DIGEST_BYTES * place : DIGEST_BYTES * (place + 1)]
                if digest in self._digests or index.find_fact(digest):
                    self.repeats += 1
                else:
                    self._digests.add(digest)
                    self.facts += 1
                    self.causes += read_head(said.data, causes_at(said, place))[1]
        self._counted = len(self.said)

"""A register that several people write: one attribute of one entity, read by the programs of registers."""

from __future__ import annotations

from typing import Final

from rhizomedb.crdt import LIBRARY
from rhizomedb.db.types.replicated import HEADS, Handle, Writing, checked_key
from rhizomedb.facts.value import Attribute, Entity, Value, check_value

_SAID: Final = "said(fact: C) :- C := fact(entity: $entity, attribute: $attribute).\n"


def _answering(name: str) -> str:
    of = LIBRARY[name]
    return f"{of.program}\nanswer(value: V) :- {of.answer}(entity: $entity, attribute: $attribute, value: V)."


_SURVIVORS: Final = _answering("multi-value-register")
_LAST: Final = _answering("last-writer-register")
_LATEST: Final = _answering("latest-register")


class ReplicatedRegister(Handle):
    """One attribute of an entity. What is written replaces what its writer had seen, and nothing else."""

    def __init__(self, db: Writing, entity: Entity, attribute: Attribute, author: str | None) -> None:
        super().__init__(db, entity, author)
        self.attribute = checked_key(attribute)

    def set(self, value: Value) -> None:
        """Write a value. Whoever writes at the same time has not seen this, even if it is the same."""
        self._say(self.attribute, check_value(value), self._cids(_SAID + HEADS, **self._asked))

    @property
    def values(self) -> list[Value]:
        """The values that no later write had seen (`multi-value-register`), in the order of values."""
        return self._values(_SURVIVORS)

    @property
    def value(self) -> Value | None:
        """Of those, that of the fact with the greatest CID (`last-writer-register`); None where nothing is written."""
        return next(iter(self._values(_LAST)), None)

    @property
    def latest(self) -> Value | None:
        """The value claimed most recently, whatever its writer had seen (`latest-register`); None where nothing is."""
        return next(iter(self._values(_LATEST)), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.values!r})"

    @property
    def _asked(self) -> dict[str, object]:
        return {"entity": self.entity, "attribute": self.attribute}

    def _values(self, program: str) -> list[Value]:
        return [value for (value,) in self._db.query(program, self._asked)]

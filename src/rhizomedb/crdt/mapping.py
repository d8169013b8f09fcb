"""Maps: the attributes of an entity are its keys, and a key may be deleted.

A write is a fact ⟨map, key, value⟩, a delete a fact ⟨map, "map/delete", key⟩. A delete takes back the writes that it had
seen, so a write at the same time survives it. What the database itself says of the entity, who writes and what was
retracted, is no key. A value that is the id of another entity nests. Source: PomoDB checklist, section D.3.
"""

from __future__ import annotations

from typing import Final

DELETE: Final = "map/delete"

OBSERVED_REMOVE: Final = """\
write(fact: C, map: E, key: K, value: V) :-
    C := fact(entity: E, attribute: K, value: V),
    K != "map/delete", K != "rhizome/writer", K != "rhizome/retracts", K != "rhizome/withdraws".
delete(fact: C, map: E, key: K) :- C := fact(entity: E, attribute: "map/delete", value: K).

// what later writes and deletes of a key had seen
seen(map: E, key: K, fact: P) :- write(fact: C, map: E, key: K), cause(from: C, to: P).
seen(map: E, key: K, fact: P) :- delete(fact: C, map: E, key: K), cause(from: C, to: P).
seen(map: E, key: K, fact: P) :- seen(map: E, key: K, fact: Q), cause(from: Q, to: P).

// several where they were written at the same time
entry(map: E, key: K, value: V, fact: C) :- write(fact: C, map: E, key: K, value: V), !seen(map: E, key: K, fact: C).
"""

"""Lists: each element says after which one it was put, and a query says in what order they stand (RGA, a causal tree).

An element is an entity of its own with three facts: `list/after` (the element before it, or the list), `list/counter` (one
more than the greatest that its writer had seen) and `list/value`; `list/deleted` takes it out. Elements after the same
one stand newest first: by counter, then by id, which is one order for all (trap T5). The answer is a chain that begins
at the list's id. Source: M. Kleppmann, "Data structures as queries"; PomoDB checklist, section D.3.
"""

from __future__ import annotations

from typing import Final

AFTER: Final = "list/after"
COUNTER: Final = "list/counter"
VALUE: Final = "list/value"
DELETED: Final = "list/deleted"

LIST: Final = """\
put(element: I, after: P, counter: N) :-
    fact(entity: I, attribute: "list/after", value: P), fact(entity: I, attribute: "list/counter", value: N).

// siblings, newest first
earlier(x: X, y: Y) :- put(element: X, after: P, counter: N), put(element: Y, after: P, counter: M), N > M.
earlier(x: X, y: Y) :- put(element: X, after: P, counter: N), put(element: Y, after: P, counter: N), X > Y.
not_first(element: Y) :- earlier(x: X, y: Y).
between(x: X, z: Z) :- earlier(x: X, y: Y), earlier(x: Y, y: Z).
sibling(x: X, y: Y) :- earlier(x: X, y: Y), !between(x: X, z: Y).

// the walk: down to the first child, else on to the next sibling, else up until there is one
child(of: P, first: C) :- put(element: C, after: P), !not_first(element: C).
has_sibling(element: X) :- sibling(x: X).
on(x: X, y: Y) :- sibling(x: X, y: Y).
on(x: X, y: Y) :- put(element: X, after: P), !has_sibling(element: X), on(x: P, y: Y).
has_child(element: P) :- put(after: P).
next(x: X, y: Y) :- child(of: X, first: Y).
next(x: X, y: Y) :- put(element: X), !has_child(element: X), on(x: X, y: Y).

// what was deleted is stepped over
deleted(element: I) :- fact(entity: I, attribute: "list/deleted", value: true).
live(element: I) :- put(element: I), !deleted(element: I).
next_live(x: X, y: Y) :- next(x: X, y: Y), live(element: Y).
next_live(x: X, y: Z) :- next(x: X, y: Y), !live(element: Y), next_live(x: Y, y: Z).
item(before: X, element: I, value: V) :- next_live(x: X, y: I), fact(entity: I, attribute: "list/value", value: V).
"""

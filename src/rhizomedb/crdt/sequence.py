"""Lists: each element says after which one it was put, and a query says in what order they stand (RGA, a causal tree).

An element is an entity of its own with three facts: `list/after` (the element before it, or the list), `list/counter` (one
more than the greatest that its writer had seen there) and `list/value`; `list/deleted` takes it out. Elements after the same
one stand newest first: by counter, then by id, which is one order for all (trap T5). Of several places or counters that are
said of one element the greatest is taken: else it would come both before and after another, and neither would be found. The answer is a chain that begins
at the list's id. Source: M. Kleppmann, "Data structures as queries"; PomoDB checklist, section D.3.
"""

from __future__ import annotations

from typing import Final

AFTER: Final = "list/after"
COUNTER: Final = "list/counter"
VALUE: Final = "list/value"
DELETED: Final = "list/deleted"

LIST: Final = """\
placed(element: I, after: P) :- fact(entity: I, attribute: "list/after", value: P), kind(P) == "bytes".
counted(element: I, counter: N) :- fact(entity: I, attribute: "list/counter", value: N), kind(N) == "int".

// an element stands at one place, whatever is said of it
put(element: I, after: P, counter: N) :-
    placed(element: I), P := max Q : placed(element: I, after: Q),
    counted(element: I), N := max M : counted(element: I, counter: M).

// siblings, newest first
earlier(x: X, y: Y) :- put(element: X, after: P, counter: N), put(element: Y, after: P, counter: M), N > M.
earlier(x: X, y: Y) :- put(element: X, after: P, counter: N), put(element: Y, after: P, counter: N), X > Y.
not_first(element: Y) :- earlier(x: X, y: Y).

// the next one has the greatest counter of those behind, and of these the greatest id
behind(x: X, y: Y, counter: M) :- earlier(x: X, y: Y), put(element: Y, counter: M).
nearest(x: X, counter: N) :- behind(x: X), N := max M : behind(x: X, counter: M).
sibling(x: X, y: Z) :- nearest(x: X, counter: N), Z := max Y : behind(x: X, y: Y, counter: N).

// the walk: down to the first child, else on to the next sibling, else up until there is one
child(of: P, first: C) :- put(element: C, after: P), !not_first(element: C).
has_sibling(element: X) :- sibling(x: X).
on(x: X, y: Y) :- sibling(x: X, y: Y).
on(x: X, y: Y) :- put(element: X, after: P), !has_sibling(element: X), on(x: P, y: Y).
has_child(element: P) :- put(after: P).
next(x: X, y: Y) :- child(of: X, first: Y).
next(x: X, y: Y) :- put(element: X), !has_child(element: X), on(x: X, y: Y).

// what was deleted, or has no value, is stepped over
deleted(element: I) :- fact(entity: I, attribute: "list/deleted", value: true).
live(element: I) :- put(element: I), fact(entity: I, attribute: "list/value"), !deleted(element: I).
next_live(x: X, y: Y) :- next(x: X, y: Y), live(element: Y).
next_live(x: X, y: Z) :- next(x: X, y: Y), !live(element: Y), next_live(x: Y, y: Z).
item(before: X, element: I, value: V) :- next_live(x: X, y: I), fact(entity: I, attribute: "list/value", value: V).
"""

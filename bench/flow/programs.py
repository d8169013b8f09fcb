"""The programs in PomoLogic. Relations and columns are named as in `graphs`."""

from __future__ import annotations

_SKIPPING = """
    skipped(a: A, b: B) :- {start}next_element(a: A, b: B).
    skipped(a: A, b: C) :- {step}.
"""

_TEXT = """
    has_child(parent: P) :- inserted(parent: P).
    later_child(parent: P, id: C) :- inserted(parent: P, id: C), inserted(parent: P, id: D), D > C.
    first_child(parent: P, id: C) :- inserted(parent: P, id: C), !later_child(parent: P, id: C).
    sibling(a: A, b: B) :- inserted(id: A, parent: P), inserted(id: B, parent: P).
    later_sibling(a: A, b: B) :- sibling(a: A, b: B), A > B.
    later_sibling_but_one(a: A, c: C) :- later_sibling(a: A, b: B), later_sibling(a: B, b: C).
    next_sibling(a: A, b: B) :- later_sibling(a: A, b: B), !later_sibling_but_one(a: A, c: B).
    has_next_sibling(a: A) :- next_sibling(a: A).
    next_sibling_above(a: A, b: B) :- next_sibling(a: A, b: B).
    next_sibling_above(a: A, b: B) :-
        inserted(id: A, parent: P), !has_next_sibling(a: A), next_sibling_above(a: P, b: B).
    next_element(a: A, b: B) :- first_child(parent: A, id: B).
    next_element(a: A, b: B) :- next_sibling_above(a: A, b: B), !has_child(parent: A).
    assigned(id: E, value: 1) :- inserted(id: E).
    has_value(id: E) :- inserted(id: E), !removed(id: E).
""" + _SKIPPING + """
    next_visible(a: A, b: B) :- skipped(a: A, b: B), has_value(id: A), has_value(id: B).
    result(before: C, after: D, value: V) :-
        next_visible(a: A, b: B), inserted(id: A, counter: C), inserted(id: B, counter: D), assigned(id: B, value: V).
"""  # fmt: skip

PROGRAMS = {
    "closure": """
        path(a: X, b: Y) :- edge(a: X, b: Y).
        path(a: X, b: Z) :- path(a: X, b: Y), edge(a: Y, b: Z).
    """,
    "generation": """
        same(a: X, b: Y) :- parent(a: P, b: X), parent(a: P, b: Y), X != Y.
        same(a: X, b: Y) :- parent(a: A, b: X), same(a: A, b: B), parent(a: B, b: Y).
    """,
    "points to": """
        points_to(a: Y, b: X) :- address_of(a: Y, b: X).
        points_to(a: Y, b: X) :- assign(a: Y, b: Z), points_to(a: Z, b: X).
        points_to(a: Y, b: W) :- load(a: Y, b: X), points_to(a: X, b: Z), points_to(a: Z, b: W).
        points_to(a: Z, b: W) :- store(a: Y, b: X), points_to(a: Y, b: Z), points_to(a: X, b: W).
    """,
    "components": """
        joined(a: X, b: Y) :- edge(a: X, b: Y).
        joined(a: X, b: Z) :- joined(a: X, b: Y), edge(a: Y, b: Z).
        label(node: X, least: L) :- edge(a: X), L := min Y : joined(a: X, b: Y).
    """,
    "triangles": """
        triangle(a: A, b: B, c: C) :- edge(a: A, b: B), edge(a: B, b: C), edge(a: A, b: C).
        triangles(count: N) :- N := count : triangle().
    """,
    "five atoms": """
        found(e: E, d: D, b: B, s: S) :-
            fact(e: E, a: 0, v: V), V < 100, fact(e: E, a: 1, v: D), fact(e: E, a: 2, v: B), fact(e: B, a: 1, v: D),
            fact(e: B, a: 3, v: S).
    """,
    "text": _TEXT.format(
        start="has_value(id: A), ", step="skipped(a: A, b: B), !has_value(id: B), next_element(a: B, b: C)"
    ),
    "text as written": _TEXT.format(start="", step="next_element(a: A, b: B), !has_value(id: B), skipped(a: B, b: C)"),
    "point": "about(a: A, v: V) :- fact(e: $entity, a: A, v: V).",
    "ten operators": """
        large(customer: C, product: P, amount: M) :- ordered(customer: C, product: P, amount: M), M >= 500.
        placed(product: P, amount: M, region: R, customer: C) :-
            large(customer: C, product: P, amount: M), customer(id: C, region: R).
        sorted(kind: K, amount: M, region: R, customer: C) :-
            placed(product: P, amount: M, region: R, customer: C), product(id: P, kind: K).
        allowed(kind: K, amount: M, region: R, customer: C) :-
            sorted(kind: K, amount: M, region: R, customer: C), !blocked(customer: C).
        counted(kind: K, amount: M, region: R, customer: C) :-
            allowed(kind: K, amount: M, region: R, customer: C), R < 15.
        counted(kind: K, amount: M, region: R, customer: C) :-
            allowed(kind: K, amount: M, region: R, customer: C), K < 10.
        total(region: R, kind: K, sum: S) :-
            counted(region: R, kind: K), S := sum M : counted(region: R, kind: K, amount: M).
        reached(region: R, kind: K, sum: S) :-
            total(region: R, kind: K, sum: S), aim(region: R, kind: K, least: L), S >= L.
    """,
}
"""The ten operators: three selections before the sum, two joins, the negation, the union, the sum, a join and a last selection."""

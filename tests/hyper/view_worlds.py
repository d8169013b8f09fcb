"""Random worlds that two schemas show: what some authors say of a few things, and take back."""

from __future__ import annotations

from hypothesis import strategies as st

from rhizomedb.facts.clock import HybridTime
from rhizomedb.hyper import HyperSchema, Nest, Pointer, Property, Reference
from rhizomedb.hyper.json_delta import JsonDelta
from rhizomedb.hyper.schema import Condition

THINGS = ["a", "b", "c", "p"]
values = st.sampled_from([1, 2, 2.0, 2.5, -1, "x", "X y", "b", True, 2**62, 2.0**70])
schemas_ = st.builds(
    lambda selects, properties, when, own: [
        HyperSchema("s", "S", selects, {"to": Nest("t", when)}, properties),
        HyperSchema("t", "T", None, {}, own),
    ],
    st.none() | st.frozensets(st.sampled_from(["v", "to", "w"])),
    st.fixed_dictionaries(
        {},
        optional={
            "v": st.sampled_from(
                [Property("integer"), Property(many=True), Property(role="w"), Property(required=True)]
            ),
            "to": st.sampled_from([Property("thing"), Property(many=True), Property("thing", required=True)]),
            "w": st.sampled_from([Property("string"), Property("number(0, ]")]),
        },
    ),
    st.sampled_from([(), (Condition("k", ">", 1),)]),
    st.fixed_dictionaries({}, optional={"v": st.sampled_from([Property("integer"), Property(role="w")])}),
)


@st.composite
def worlds(draw):
    edges = []
    for number in range(draw(st.integers(1, 10))):
        context = draw(st.sampled_from(["v", "to", "w"]))
        pointers = [Pointer("of", Reference(draw(st.sampled_from(THINGS)).encode(), context))]
        if context == "to":
            pointers.append(Pointer("to", Reference(draw(st.sampled_from(THINGS)).encode(), None)))
            pointers += [Pointer("k", draw(st.sampled_from([1, 2])))] if draw(st.booleans()) else []
        else:
            pointers.append(Pointer(draw(st.sampled_from([context, context, "w"])), draw(values)))
        made = JsonDelta(f"e{number}".encode(), HybridTime(draw(st.integers(1, 6)), 0), "x", "s", tuple(pointers), None)
        edges.append((draw(st.sampled_from(["ann", "ben"])), made))
    for number in range(draw(st.integers(0, 2))):
        target = Reference(f"e{draw(st.integers(0, 9))}".encode(), "negated_by")
        made = JsonDelta(f"n{number}".encode(), HybridTime(7, 0), "x", "s", (Pointer("negates", target),), None)
        edges.append(("ann", made))
    return edges


policies = st.sampled_from(["latest", "first", "all", "vote", "average", "max", "min", "trusted:ann", len])
moments = st.sampled_from([None, 3, 6])


def say(db, world):
    """Say a world; afterwards both authors are known, whoever spoke."""
    for author, statement in world:
        db.pass_on([statement], author=author, origin="test")
    for author in {"ann", "ben"} - {author for author, _ in world}:
        db.negate("e99", author=author)

"""Planned queries over causal histories: the replicated data types answer as they did, and read only what they must."""

from __future__ import annotations

import random

import pytest
from algebra_helpers import cid, history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_algebra_crdts import GRAPH, MAP, OR_SET, SEQUENCE, STATE_COUNTER, TOMBSTONES

from rhizomedb.algebra import Relations, evaluate, lower
from rhizomedb.algebra.plan import plan_query
from rhizomedb.algebra.statistics import Counts
from rhizomedb.crdt.register import LAST_WRITER
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse

PROGRAMS = {
    "graph": GRAPH,
    "map": MAP,
    "set": OR_SET,
    "counter": STATE_COUNTER + 'isSlot(r: "a"). isSlot(r: 1).',
    "tombstones": TOMBSTONES,
    "sequence": SEQUENCE,
}

ATTRIBUTES = [
    "a",
    1,
    "set/add",
    "set/remove",
    "map/delete",
    "tombstone",
    "seq/after",
    "seq/ctr",
    "seq/deleted",
    "seq/value",
]


@st.composite
def histories(draw):
    """Facts, each with causes among those before it; values now and then name an earlier fact or entity."""
    facts = []
    for number in range(draw(st.integers(0, 10))):
        earlier = [name for name, *_ in facts]
        values = [1, 2, True, "a", *(cid(name) for name in earlier), *(entity for _, entity, *_ in facts)]
        entity = draw(st.sampled_from(["x", "y", "z", f"e{number}"]))
        causes = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        facts.append((f"f{number}", entity, draw(st.sampled_from(ATTRIBUTES)), draw(st.sampled_from(values)), causes))
    return history(*facts)


@pytest.mark.parametrize("name", PROGRAMS)
@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_planned_is_plain(name, data, chance: random.Random):
    source = Relations(data)
    visible = {relation: tuple(c for c in columns if c != "$cid") for relation, columns in source.stored.items()}
    program = checked(parse(PROGRAMS[name]), visible)
    plan = lower(program, source.stored)
    whole = evaluate(plan, source, seminaive=False, probe=False).relations
    for asked in chance.sample(sorted(plan.derived), 3) if len(plan.derived) > 3 else plan.derived:
        planned = plan_query(program, asked, source.stored, Counts({n: len(t) for n, t in source.tables.items()}))
        found = evaluate(planned.plan, source, seminaive=chance.random() < 0.5).relations[asked]
        order = [found.columns.index(column) for column in whole[asked].columns]
        assert {tuple(row[place] for place in order) for row in found.rows} == set(whole[asked].rows)


def test_one_register_of_a_long_history():
    """What one register holds is asked of its own writes and what lies between them."""
    facts = [("f0", "e0", "title", 0, ())]
    facts += [(f"f{n}", f"e{n % 50}", "title", n, [f"f{n - 1}"]) for n in range(1, 400)]
    source = Relations({**history(*facts)})
    renamed = {
        "fact": (("$cid", "entity", "attribute", "value"), source.tables["fact"].rows),
        "cause": (("from", "to"), source.tables["cause"].rows),
    }
    source = Relations(renamed)
    program = parse(LAST_WRITER)
    planned = plan_query(program, "last", source.stored, bindings={"entity": "e7", "attribute": "title"})
    found = evaluate(planned.plan, source).relations
    [row] = found["last"].rows
    assert dict(zip(found["last"].columns, row, strict=True)) == {"entity": "e7", "attribute": "title", "value": 357}
    assert sum(len(table) for name, table in found.items() if name.startswith(("write", "superseded", "survivor"))) < 50
    assert sum(map(len, found.values())) < 20 * 400  # whole, `ancestor` alone has 79,800

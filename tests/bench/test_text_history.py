"""Kleppmann's list as he wrote it, over the history of a real document: what comes out, how little is derived, kept up to date."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from bench.flow import edits
from bench.flow import ours as engines
from bench.flow.programs import PROGRAMS

from rhizomedb.budget import UNLIMITED
from rhizomedb.db.programs.compiled import standing
from rhizomedb.db.programs.query import prepare
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Change

PUBLISHED = "1080d836b210299444d95ddff25dc7fbfc9d96999f02a16cc1b17f28d2ece790"
"""The SHA-256 of `result` as a set, as the data's own notes give it."""

pytestmark = pytest.mark.skipif(edits.missing() is not None, reason=str(edits.missing()))


class Kept:
    """One relation of the program, kept up to date."""

    def __init__(self, answer):
        self.relations = edits.history()
        self.columns = {name: tuple(columns) for name, (columns, _) in self.relations.items()}
        text = engines._declarations(self.relations) + PROGRAMS["text as written"]
        self.answer = answer
        self.engine = Engine(standing(prepare(text, self.columns, {}, None, answer), answer, [answer]).flow)
        self.step({name: engines._batch(columns) for name, (_, columns) in self.relations.items()}, {})

    def step(self, plus, minus):
        changes = {}
        for name, columns in self.columns.items():
            nothing = Batch.of_rows([], len(columns))
            came = dict(self.engine.read_of(name, columns, plus.get(name, nothing)))
            went = dict(self.engine.read_of(name, columns, minus.get(name, nothing)))
            changes |= {each: Change(came[each], went[each]) for each in came}
        self.engine.step(changes, UNLIMITED.meter())

    def rows(self):
        return set(engines.queries.cells_of(self.engine.relation(self.answer).table.read(), self.engine.dictionary))


def test_the_published_result_comes_out():
    result = Kept("result").rows()
    assert len(result) == 104_653
    lines = "".join(f"{before}\t{after}\thi\n" for before, after, _ in sorted(result))
    assert sha256(lines.encode()).hexdigest() == PUBLISHED


def test_only_ways_that_are_asked_for_are_derived_and_kept():
    kept = Kept("next_visible")
    before = kept.rows()
    assert len(before) == 104_851
    skipped = [len(held.table) for name, held in kept.engine._held.items() if name.startswith("skipped")]
    assert sum(skipped) <= 182_315, "as written there are 151,669,663"
    chance = random.Random(4)
    (ids,) = kept.relations["removed"][1]
    some = [(int(ids[place]),) for place in chance.sample(range(len(ids)), 20)]
    kept.step({}, {"removed": Batch.of_rows(some, 1)})
    with_them = kept.rows()
    assert len(with_them) == 104_871 and {one for (one,) in some} <= {after for _, after in with_them}
    kept.step({"removed": Batch.of_rows(some, 1)}, {})
    assert kept.rows() == before

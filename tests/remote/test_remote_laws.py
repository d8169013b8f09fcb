"""Random histories in three copies, pushed and pulled in random orders through one place: all come to say the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_helpers import delta, ids, shown

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.remote import bundle, memory, pull, push
from rhizomedb.remote.bundle import bundle_of
from rhizomedb.remote.kind import DELTAS, id_of
from rhizomedb.remote.url import opened

COPIES = range(3)

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("say"),
            st.sampled_from(COPIES),
            st.lists(
                st.tuples(st.sampled_from("AB"), st.sampled_from("pq"), st.integers(0, 3)), min_size=1, max_size=3
            ),
        ),
        st.tuples(st.just("retract"), st.sampled_from(COPIES), st.sampled_from("AB")),
        st.tuples(st.sampled_from(["push", "pull", "lose"]), st.sampled_from(COPIES), st.none()),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", ["memory", "folder"])
@given(steps=STEPS, order=st.permutations(COPIES), per_bundle=st.sampled_from([1, 2, 16_384]))
@settings(max_examples=40)
def test_all_come_to_say_the_same(kind: str, steps: list[Any], order: list[int], per_bundle: int) -> None:
    """Also where the place loses everything in between: every delta is still in the copy that said it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "ITEMS_MAX", per_bundle)
        memory.PLACES.clear()
        url = "memory://law" if kind == "memory" else f"{folder}/share"
        copies = [connect(":memory:", author=f"author {number}", keyring=Keyring()) for number in COPIES]
        os.mkdir(f"{folder}/share")
        for step, number, what in steps:
            db = copies[number]
            match step:
                case "say":
                    db.transact(what)
                case "retract":
                    try:
                        db.retract(what)
                    except RequestError as error:
                        assert error.code in ("db.nothing-to-retract", "db.unknown-entity")
                case "push":
                    push(db, url)
                case "pull":
                    pull(db, url)
                case "lose":
                    memory.PLACES.get("law", {}).clear()
                    shutil.rmtree(f"{folder}/share/bundles", ignore_errors=True)
        for number in order:
            push(copies[number], url)
        for number in reversed(order):
            found = pull(copies[number], url)
            assert (found.refused, found.unsent) == ((), 0)
        assert ids(copies[0]) == ids(copies[1]) == ids(copies[2])
        assert shown(copies[0]) == shown(copies[1]) == shown(copies[2])
        assert not any(list(db.verify()) for db in copies)
        for db in copies:
            db.close()


def test_who_is_over_a_quota_keeps_nothing_else_from_coming_in(tmp_path: Any) -> None:
    loud = [delta(number, Group(b"%d" % number, 2)) for number in range(5)]  # no group of these is ever complete
    other = Key(b"o" * 32)
    plain = [Delta.sign(other, system="test", time=HybridTime(1, n), facts=[Fact(b"film", "n", n)]) for n in range(4)]
    url = str(tmp_path / "share")
    with opened(url) as place:
        for each in (*plain[:2], *loud, *plain[2:]):
            made = bundle_of(DELTAS, [(id_of(each.encode()), each.encode())])
            place.write(DELTAS, str(made.name), made.data)
    with connect(":memory:", held_deltas_max=3) as db:
        pulled = pull(db, url)
        assert (pulled.new, pulled.held, pulled.refused_count, pulled.not_kept_count) == (4, 3, 0, 2)
        assert {error.code for error in pulled.not_kept} == {"store.quota"}
        assert ids(db) == {str(each.id) for each in plain}
        again = pull(db, url)
        assert (again.new, again.held, again.not_kept_count) == (0, 0, 2), "what was not kept is asked for again"

"""The store in a file beside the store in memory, through random lives: whatever happens, they show the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store_helpers import KEYS, NOW, deltas, everything

from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.store import ALL, Cut, MemoryStore, Store, admit, release_due
from rhizomedb.store.sqlite import SqliteStore


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "films.db")
        self.file: Store = SqliteStore(self.path, create=True)
        self.memory: Store = MemoryStore()
        self.seen: list[Delta] = []
        self.changed = True

    def both(self, act: Any) -> None:
        self.changed = True
        results = []
        for store in (self.file, self.memory):
            try:
                results.append(act(store))
            except Error as error:
                results.append((error.code, str(error)))
        assert results[0] == results[1]

    def some(self, data: Any, most: int = 4) -> list[Delta]:
        """New deltas, which may have known facts as causes, and known ones."""
        causes: list[Cid] = [fact.cid for delta in self.seen[-6:] for fact in delta.facts]
        new = data.draw(st.lists(deltas(causes), max_size=most))
        old = data.draw(st.lists(st.sampled_from(self.seen), max_size=2)) if self.seen else []
        self.seen += new
        return data.draw(st.permutations(new + old))

    @rule(data=st.data(), at_ms=st.integers(0, 9))
    def append(self, data: Any, at_ms: int) -> None:
        some = self.some(data)

        def act(store: Store) -> Any:
            with store.writing():
                epoch = store.begin(at_ms, "test")
                return epoch, store.append(some[:2], epoch), store.append(some[2:], epoch)

        self.both(act)

    @rule(data=st.data())
    def give_up(self, data: Any) -> None:
        some = self.some(data)

        def act(store: Store) -> None:
            try:
                with store.writing():
                    store.append(some, store.begin(NOW, "test"))
                    for held in store.held():
                        store.release(held.id)
                    store.name(b"n" * 32, "nobody")
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass

        self.both(act)

    @rule(data=st.data(), ahead=st.integers(0, 9), broken=st.booleans(), refuse=st.sampled_from(["raise", "collect"]))
    def admit(self, data: Any, ahead: int, broken: bool, refuse: Any) -> None:
        from rhizomedb.facts.clock import AHEAD_MS_MAX

        envelopes = [delta.encode() for delta in self.some(data)]
        if broken and envelopes:
            envelopes[-1] = envelopes[-1][:-1] + bytes([envelopes[-1][-1] ^ 1])

        def act(store: Store) -> Any:
            admission = admit(store, envelopes, now_ms=ahead - AHEAD_MS_MAX, origin="peer", refuse=refuse)
            refused = [(refusal.place, refusal.error.code) for refusal in admission.refused]
            return admission.new, admission.known, admission.held, admission.epoch, refused

        self.both(act)

    @rule(ahead=st.integers(0, 12))
    def release(self, ahead: int) -> None:
        from rhizomedb.facts.clock import AHEAD_MS_MAX

        self.both(lambda store: release_due(store, ahead - AHEAD_MS_MAX))

    @rule(key=st.sampled_from(KEYS), name=st.text("ab é", max_size=3))
    def name(self, key: Any, name: str) -> None:
        def act(store: Store) -> None:
            with store.writing():
                store.name(key.public, name)

        self.both(act)

    @rule()
    def reopen(self) -> None:
        self.file.close()
        self.file = SqliteStore(self.path, create=False)
        self.changed = True

    @rule()
    def rebuild(self) -> None:
        assert isinstance(self.file, SqliteStore) and self.file.rebuild_index() == []
        self.changed = True

    @rule(epoch=st.integers(0, 5), since=st.integers(0, 9), until=st.integers(0, 9), key=st.sampled_from(KEYS))
    def look(self, epoch: int, since: int, until: int, key: Any) -> None:
        author = frozenset([key.public])
        cuts = [Cut(epoch=epoch), Cut(since=since), Cut(until=until), Cut(epoch, since, until), Cut(authors=author)]
        assert everything(self.file, cuts) == everything(self.memory, cuts)

    @invariant()
    def alike(self) -> None:
        if self.changed:
            assert everything(self.file, [ALL]) == everything(self.memory, [ALL])
        self.changed = False

    def teardown(self) -> None:
        assert list(self.file.verify()) == []
        self.file.close()
        self.folder.cleanup()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)

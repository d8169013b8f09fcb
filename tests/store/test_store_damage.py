"""Files that are not ours, too new, cut short or altered: only our own errors, and the record by name."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import apsw
import pytest
from store_helpers import KEYS, NOW, delta, said, write

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Group
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, COLUMNS, Cut, Store, open_store, release_due
from rhizomedb.store.layout import FORMAT
from rhizomedb.store.sqlite import SqliteStore

SAID = [
    delta(*(Fact(b"e%d" % (n % 5), "n%d" % (n % 3), n, [Cid.of(b"%d" % n)]) for n in range(at, at + 40)), ms=at)
    for at in range(0, 400, 40)
]
LONG = delta(Fact(b"E" * 99, "A" * 99, "V" * 999), Fact(b"e1", "n1", 1, [Cid.of(b"1")]), key=KEYS[1], edge=b"edge" * 30)
HELD = said(1, ms=NOW, group=Group(b"g", 2))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a bit of everything, closed."""
    path = str(tmp_path_factory.mktemp("sound") / "sound.db")
    store = SqliteStore(path, create=True)
    for at in range(0, len(SAID), 3):
        write(store, SAID[at : at + 3])
    write(store, [LONG])
    with store.writing():
        store.hold(HELD, NOW, "peer", NOW + 1, "its clock is ahead")
        store.name(KEYS[0].public, "ada")
    assert list(store.verify()) == []
    store.close()
    return path


@pytest.fixture
def copy(sound: str, path: str) -> str:
    shutil.copy(sound, path)
    return path


def alter(path: str, *statements: str, bindings: tuple[object, ...] = ()) -> None:
    """Change a file behind the back of the store."""
    connection = apsw.Connection(path)
    for statement in statements:
        connection.execute(statement, bindings if "?" in statement else ())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def code_of_opening(path: str, create: bool = False) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(path, create=create)
    assert os.path.basename(path) in str(caught.value)
    return caught.value.code


# -- what cannot be opened -----------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert code_of_opening(str(tmp_path / "none.db")) == "store.not-found"
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "no" / "such.db")
    assert caught.value.code == "store.unreadable" and "mkdir" in (caught.value.fix or "")
    assert not (tmp_path / "none.db").exists()


def test_a_folder_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert code_of_opening(str(tmp_path / "folder")) == code_of_opening(str(tmp_path / "pipe")) == "store.unreadable"


@pytest.mark.parametrize(
    "content", [b"id,title\n1,Heat\n", b"SQLite", b"\x00" * 5000, b"SQLite format 3\x00" + b"\xff" * 5000]
)
@pytest.mark.parametrize("create", [True, False])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes, create: bool) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(content)
    assert code_of_opening(str(path), create) == "store.not-a-database"
    assert path.read_bytes() == content


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = str(tmp_path / "other.db")
    alter(path, "CREATE TABLE film(title)")
    assert code_of_opening(path, create=True) == "store.not-a-database"
    alter(path, "PRAGMA application_id=77")
    assert code_of_opening(path) == "store.not-a-database"


def test_an_empty_file_is_made_a_database_only_if_asked(tmp_path: Path) -> None:
    path = str(tmp_path / "films.db")
    Path(path).touch()
    assert code_of_opening(path) == "store.not-a-database"
    write(open_store(path), [said(1)])


def test_a_newer_format(copy: str) -> None:
    alter(copy, f"PRAGMA user_version={FORMAT + 1}")
    assert code_of_opening(copy) == "store.newer-format"


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE held",
        "DROP INDEX fact_value",
        "CREATE TABLE more(a)",
        "ALTER TABLE log ADD COLUMN more INT",
        "CREATE VIEW v AS SELECT * FROM log",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log; END",
        "PRAGMA user_version=0",
    ],
)
def test_tables_that_are_not_ours(copy: str, change: str) -> None:
    alter(copy, change)
    assert code_of_opening(copy) == "store.damaged"


def test_a_file_that_cannot_be_written_can_be_read(copy: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser can write everything")
    os.chmod(copy, 0o444)
    store = SqliteStore(copy, create=False)
    assert store.counts(ALL)["deltas"] == 11
    with pytest.raises(StoreError) as caught:
        write(store, [said(1)])
    assert caught.value.code == "store.read-only"


def test_a_full_disk(copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(copy, create=False)
    pages = store._file.run("PRAGMA page_count")[0][0]
    store._file.run(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError) as caught:
        write(store, [delta(*(Fact(b"%d" % n, "n", "t" * 200) for n in range(2000)))])
    assert caught.value.code == "store.full"
    assert store.counts(ALL)["deltas"] == 11 and list(store.verify()) == []


def test_names_that_sqlite_takes_for_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:x?mode=memory", "ä ' \" ;.db", "%41.db"):
        write(open_store(name), [said(1)])
        assert (tmp_path / name).stat().st_size > 0
        assert list(open_store(name, create=False).verify()) == []


# -- what was altered ------------------------------------------------------------------------------------------------------

FACT = SAID[0].facts[7]


@pytest.mark.parametrize(
    ("change", "record"),
    [
        # the log
        ("UPDATE log SET envelope = CAST(substr(envelope, 1, 500) || x'00' || substr(envelope, 502) AS BLOB) WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE log SET envelope = x'' WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE log SET envelope = (SELECT envelope FROM log WHERE seq = 5) WHERE seq = 4", "delta 4"),
        ("UPDATE log SET epoch = 1 WHERE seq = 5", f"delta 5 ({SAID[4].id})"),
        ("UPDATE log SET epoch = 99 WHERE seq = 5", f"delta 5 ({SAID[4].id})"),
        ("DELETE FROM log WHERE seq = 4", "delta 4"),
        ("DELETE FROM log WHERE seq = 11", "index"),
        ("DELETE FROM epoch WHERE number = 2", "epochs"),
        ("INSERT INTO epoch VALUES (1000000000000, 1, '')", "epochs"),
        ("INSERT INTO log SELECT 12, epoch, envelope FROM log WHERE seq = 11", f"delta 12 ({LONG.id})"),
        ("INSERT INTO log SELECT 1000000000000, epoch, envelope FROM log WHERE seq = 11", ""),
        # the index
        ("DELETE FROM delta WHERE seq = 4", "delta 4"),
        ("UPDATE delta SET ms = ms + 1 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET counter = 9 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET scope = 'own' WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET system = 'x' WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET edge = x'00' WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET epoch = 1 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET author = 2 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET group_id = x'00', group_size = 1 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET fact_last = fact_last - 1 WHERE seq = 4", f"delta 5 ({SAID[4].id})"),
        ("UPDATE delta SET fact_after = fact_after - 1 WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("UPDATE delta SET id = zeroblob(32) WHERE seq = 4", f"delta 4 ({SAID[3].id})"),
        ("DELETE FROM fact WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET value = x'00' WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET entity = entity % 5 + 1 WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET attribute = attribute % 3 + 1 WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET attribute = 999 WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET delta = 2 WHERE row = 8", f"fact {FACT.cid}"),
        ("UPDATE fact SET cid = zeroblob(32) WHERE row = 8", f"fact {FACT.cid}"),
        ("INSERT INTO fact SELECT 500, zeroblob(32), entity, attribute, value, delta FROM fact WHERE row = 8", "index fact"),
        ("INSERT INTO fact SELECT 500, cid, entity, attribute, value, delta FROM fact WHERE row = 8", ""),
        ("DELETE FROM cause WHERE fact = 8", f"fact {FACT.cid}"),
        ("UPDATE cause SET cid = zeroblob(32) WHERE fact = 8", f"fact {FACT.cid}"),
        ("INSERT INTO cause VALUES (8, zeroblob(32))", f"fact {FACT.cid}"),
        ("INSERT INTO cause VALUES (888, zeroblob(32))", "index cause"),
        ("DELETE FROM repeat", f"fact {LONG.facts[1].cid}"),
        ("INSERT INTO repeat VALUES (8, 5)", f"delta 5 ({SAID[4].id})"),
        ("INSERT INTO repeat VALUES (8, 500)", "index repeat"),
        ("UPDATE entity SET stub = x'78' WHERE row = 1", "fact "),
        ("INSERT INTO entity VALUES (99, x'99')", "index entity"),
        ("UPDATE attribute SET stub = x'6178' WHERE row = 1", "fact "),
        ("UPDATE attribute SET facts = 7 WHERE row = 1", "index attribute 1"),
        ("UPDATE author SET stub = zeroblob(32) WHERE row = 1", "delta 1 "),
        ("INSERT INTO author VALUES (99, x'99')", "index author"),
        ("UPDATE long SET body = x'00'", f"delta 11 ({LONG.id})"),
        ("DELETE FROM long WHERE body = CAST('" + "E" * 99 + "' AS BLOB)", f"fact {LONG.facts[0].cid}"),
        ("UPDATE mark SET facts = facts - 1 WHERE epoch = 2", "index epoch 2"),
        ("UPDATE mark SET ms = 0 WHERE epoch = 5", "index epoch 5"),
        ("UPDATE mark SET entities = 1 WHERE epoch = 5", "index epoch 5"),
        ("DELETE FROM mark WHERE epoch = 2", "index epoch 2"),
        ("INSERT INTO mark SELECT 99, deltas, facts, entities, attributes, authors, causes, repeats, ms, counter FROM mark WHERE epoch = 5", "index mark"),
        # the rest
        ("UPDATE held SET envelope = CAST(substr(envelope, 1, 90) || x'00' AS BLOB)", f"held delta 1 ({HELD.id})"),
        ("UPDATE held SET id = zeroblob(32)", "held delta 1"),
        ("UPDATE held SET id = zeroblob(3)", "held delta 1"),
        ("UPDATE held SET group_size = 3", f"held delta 1 ({HELD.id})"),
        ("UPDATE name SET author = x'00'", "name of 00"),
    ],
)  # fmt: skip
def test_verify_names_what_was_altered(copy: str, change: str, record: str) -> None:
    alter(copy, change)
    store = SqliteStore(copy, create=False)
    findings = list(store.verify())
    assert any(finding.record.startswith(record) for finding in findings), findings
    records = {finding.record for finding in findings}
    assert len(records) < 150, "one altered row does not put everything else under suspicion"


def test_an_altered_envelope_stops_nothing_else(copy: str) -> None:
    alter(copy, "UPDATE log SET envelope = zeroblob(300) WHERE seq IN (4, 9)")
    store = SqliteStore(copy, create=False)
    findings = list(store.verify())
    assert [finding.record for finding in findings] == [f"delta 4 ({SAID[3].id})", f"delta 9 ({SAID[8].id})"]
    assert len(list(store.envelopes())) == 11 and store.counts(ALL)["facts"] == 401


@pytest.mark.parametrize("table", ["fact", "cause", "repeat", "delta", "entity", "attribute", "author", "mark", "long"])
def test_an_index_can_be_made_anew(copy: str, sound: str, table: str) -> None:
    alter(
        copy, f"DELETE FROM {table} WHERE rowid % 2 = 0" if table not in ("cause", "repeat") else f"DELETE FROM {table}"
    )
    store = SqliteStore(copy, create=False)
    assert list(store.verify()) != []
    assert store.rebuild_index() == [] and list(store.verify()) == []
    assert rows_of(copy) == rows_of(sound), "an index made anew is the index that was"
    assert write(store, [said(77)]) == 6


def rows_of(path: str) -> dict[str, list[object]]:
    connection = apsw.Connection(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in tables}
    connection.close()
    return rows


def test_a_rebuild_leaves_out_what_is_not_intact(copy: str) -> None:
    alter(copy, "UPDATE log SET envelope = zeroblob(300) WHERE seq IN (1, 4, 11)", "DELETE FROM log WHERE seq = 6")
    store = SqliteStore(copy, create=False)
    assert [finding.record for finding in store.rebuild_index()] == ["delta 1", "delta 4", "delta 11"]
    left = [each for place, each in enumerate(SAID, start=1) if place not in (1, 4, 6)]
    assert {row[0] for row in store.scan("delta", {}, ALL)} == {each.id for each in left}
    assert len(list(store.scan("fact", {}, ALL))) == 40 * len(left)
    assert {finding.record for finding in store.verify()} == {"delta 1", "delta 4", "delta 6", "delta 11"}
    write(store, [SAID[3]])
    assert store.has(SAID[3].id), "it can come again from elsewhere"


def test_an_index_that_lags_behind_the_log_is_not_written_to(copy: str) -> None:
    alter(copy, "DELETE FROM mark WHERE epoch = 5")
    store = SqliteStore(copy, create=False)
    with pytest.raises(StoreError) as caught:
        write(store, [said(1)])
    assert caught.value.code == "store.damaged"


def test_a_held_delta_that_was_altered_stays_where_it_is(copy: str) -> None:
    alter(copy, "UPDATE held SET envelope = CAST(substr(envelope, 1, 90) || x'00' AS BLOB)")
    store = SqliteStore(copy, create=False)
    admission = release_due(store, NOW + 9)
    assert [refusal.error.code for refusal in admission.refused] == ["store.damaged"]
    assert len(store.held()) == 1 and store.counts(ALL)["deltas"] == 11


# -- what was broken at random ---------------------------------------------------------------------------------------------


def use(path: str) -> tuple[int, int]:
    """Do everything with a file; how many things went well, and how many ended in one of our errors."""
    outcomes = [0, 0]
    store: Store | None = None

    def attempt(act: object) -> None:
        try:
            act()  # type: ignore[operator]
            outcomes[0] += 1
        except Error:
            outcomes[1] += 1

    try:
        store = SqliteStore(path, create=False, wait_ms=0)
    except Error:
        return 0, 1
    attempt(lambda: [finding.record for finding in store.verify()])
    for relation in COLUMNS:
        attempt(lambda relation=relation: list(store.scan(relation, {}, ALL)))
    attempt(lambda: list(store.scan("fact", {"entity": b"e1"}, Cut(epoch=3))))
    attempt(lambda: list(store.scan("fact", {"value": 8}, Cut(until=99))))
    attempt(lambda: list(store.envelopes()))
    for call in (store.epochs, store.held, store.names, store.last_time, lambda: store.envelope(SAID[0].id)):
        attempt(call)
    for summary in (store.attributes, store.counts, lambda cut: list(store.entities(cut))):
        attempt(lambda summary=summary: summary(ALL))
        attempt(lambda summary=summary: summary(Cut(until=99)))
    attempt(lambda: write(store, [said(99)]))
    attempt(store.rebuild_index)
    attempt(lambda: list(store.scan("fact", {}, ALL)))
    store.close()
    return outcomes[0], outcomes[1]


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes(sound: str, path: str, seed: int) -> None:
    rng = random.Random(seed)
    content = Path(sound).read_bytes()
    went_well = 0
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(rng.choice([1, 1, 4, 64])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.3:
            start = rng.randrange(len(broken))
            broken[start : start + rng.choice([16, 512, 4096])] = rng.randbytes(rng.choice([16, 512, 4096]))
        Path(path).write_bytes(broken)
        for end in ("-wal", "-shm"):
            Path(path + end).unlink(missing_ok=True)
        went_well += use(path)[0]
    assert went_well > 60, "what is intact can still be read"


def test_files_cut_short(sound: str, path: str) -> None:
    rng = random.Random(5)
    content = Path(sound).read_bytes()
    for size in [1, 15, 16, 99, 100, 511, 4095, 4096, 4097, 8192, *(rng.randrange(len(content)) for _ in range(30))]:
        Path(path).write_bytes(content[:size])
        for end in ("-wal", "-shm"):
            Path(path + end).unlink(missing_ok=True)
        use(path)


def test_a_write_ahead_log_cut_short_or_flipped_gives_whole_transactions(tmp_path: Path) -> None:
    rng = random.Random(9)
    path = str(tmp_path / "films.db")
    store = SqliteStore(path, create=True)
    for number in range(12):
        write(store, [said(number), said(number + 100)])
    files = {end: Path(path + end).read_bytes() for end in ("", "-wal")}
    store.close()
    epochs = set()
    for trial in range(60):
        target = str(tmp_path / f"{trial}.db")
        wal = bytearray(files["-wal"])
        place = rng.randrange(32, len(wal))
        if trial % 2:
            del wal[place:]
        else:
            wal[place] ^= 1 << rng.randrange(8)
        Path(target).write_bytes(files[""])
        Path(target + "-wal").write_bytes(wal)
        try:
            again = SqliteStore(target, create=False)
        except StoreError as error:
            assert error.code == "store.not-a-database", "not even its making was whole"
            continue
        assert again.counts(ALL)["deltas"] == 2 * again.epoch() and list(again.verify()) == []
        epochs.add(again.epoch())
        again.close()
    assert len(epochs) > 3

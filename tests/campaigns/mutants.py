"""Files that were cut short or altered: each is opened and used in a process of its own, with a bound on its time.

What was intact is known, after each of its transactions. So every answer of an altered file must be the answer of the
intact one, of one of its beginnings where the write-ahead log was altered, or an error of ours. Never a crash, a hang,
an error of somebody else's, or a wrong answer, whatever `verify` says afterwards.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw
from workload import KEYS, NOW, Broken, drain, fork, opened, require, small_thresholds

from rhizomedb.db.connection import Connection
from rhizomedb.errors import Error
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, COLUMNS, Cut

SECONDS_MAX: Final = 10
MEMORY_BYTES_MAX: Final = 4 << 30
TRANSACTIONS: Final = 14

Bug = Callable[[], AbstractContextManager[object]]
Answers = dict[str, Any]


@dataclass
class Tally:
    """What a campaign of altered files comes to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.outcomes.total():,} altered files: {dict(sorted(self.outcomes.items()))}, 0 wrong answers ({self.seconds:.0f} s)"


# -- what is asked -----------------------------------------------------------------------------------------------------

QUESTIONS: Final[dict[str, Callable[[Connection], Any]]] = {
    "get": lambda db: sorted((name, str(value)) for name, value in db.get(b"film").items()),
    "get one": lambda db: db.get(b"t1", "one"),
    "query": lambda db: set(db.query('answer(e: E, v: V) :- fact(entity: E, attribute: "one", value: V).')),
    "conflicts": lambda db: list(db.conflicts()),
    "history": lambda db: list(db.history(b"film")),
    "find": lambda db: [record.entity for record in db.find("Heat")],
    "stats": lambda db: (db.stats().facts, db.stats().entities, db.stats().deltas, db.stats().causes, db.stats().epoch),
    "an epoch ago": lambda db: db._store.counts(Cut(epoch=3)),
    "one author": lambda db: set(db._store.scan("fact", {}, Cut(authors=frozenset([KEYS.key("bob").public])))),
    "epochs": lambda db: db.arrivals(),
    "held": lambda db: db.held(),
    "names": lambda db: db._store.names(),
    "schema": lambda db: db.schema(),
    "deltas": lambda db: [delta.id for delta in db.deltas()],
    "attached": lambda db: [_read(db, value) for _, _, _, value in db._store.scan("fact", {"attribute": "file"}, ALL)],
    "by value": lambda db: list(db._store.scan("fact", {"attribute": "one", "value": 1}, ALL)),
    **{name: lambda db, name=name: set(db._store.scan(name, {}, ALL)) for name in COLUMNS},
}


def _read(db: Connection, cid: Any) -> bytes:
    with db.read_attachment(cid) as file:
        return file.read()


@dataclass(frozen=True)
class Refused:
    """A question that ended in an error of ours."""

    code: str

    @property
    def for_damage(self) -> bool:
        """Whether because something is damaged, and not because what was asked about is unknown."""
        return self.code.split(".")[0] in ("store", "attachment", "delta", "facts")


def ask(db: Connection) -> Answers:
    """What a file answers to everything."""
    answers: Answers = {}
    for name, question in QUESTIONS.items():
        try:
            answers[name] = question(db)
        except Error as error:
            answers[name] = Refused(error.code)
    return answers


# -- what is altered ---------------------------------------------------------------------------------------------------


class Intact:
    """A file with a bit of everything, open when its bytes were taken (`is_hot`) or closed."""

    def __init__(self, folder: Path, is_hot: bool) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.is_hot = is_hot
        self.path = str(folder / "intact.db")
        self.beginnings: list[Answers] = []
        with small_thresholds():
            db = opened(self.path)
            self.beginnings.append(ask(db))
            for number in range(1, TRANSACTIONS + 1):
                self._say(db, number)
                self.beginnings.append(ask(db))
            require(not list(db.verify()), "the file is intact")
            if not is_hot:
                db.close()
            self.files = {path: path.read_bytes() for path in self._paths()}
            db.close()
        self.answers = self.beginnings[-1]

    def _say(self, db: Connection, number: int) -> None:
        match number:
            case 2:
                db.transact([(b"film", "name", "Heat"), (b"film", "runtime", 170)], author="alice", scope="own")
            case 4:
                db.transact([(b"film", "runtime", 171), (b"film", "year", 1995.0)], author="bob", scope="own")
            case 6:
                ahead = Delta.sign(
                    KEYS.key("bob"), system="peer", time=HybridTime(NOW + 10**9, 1), facts=[Fact(b"late", "n", 1)]
                )
                db.admit([ahead.encode()], origin="peer")
            case 8:
                db.attach(b"film", "file", Random(8).randbytes(9_000))
            case 10:
                db.retract(b"film", "runtime", 171)
            case 12:
                db.transact([(b"many %d" % part, "part", "long text " * 9) for part in range(40)])
            case 3 | 5:
                whole = Fact(b"film", "seen", 1)
                db.transact(
                    [whole, Fact(b"film", "again", number, [whole.cid])], author=("alice", "bob")[number % 3 - 1]
                )
            case _:
                db.transact([(b"t%d" % number, "one", number)])

    def _paths(self) -> list[Path]:
        index = Path(self.path + "-index")
        return [
            path for path in (Path(self.path), Path(self.path + "-wal"), *sorted(index.glob("*.seg"))) if path.exists()
        ]

    def restore(self, altered: dict[Path, bytes | None]) -> None:
        """Make everything as it was, but for some files: the index believes in the file only at its own place."""
        for end in ("-wal", "-shm", "-journal"):
            Path(self.path + end).unlink(missing_ok=True)
        for path in self._paths():
            if path not in self.files:
                path.unlink()
        for path, data in {**self.files, **altered}.items():
            if data is None:
                path.unlink(missing_ok=True)
                continue
            with open(path, "r+b" if path.exists() else "xb") as file:
                file.truncate(0)
                file.write(data)


def flip(rng: Random, data: bytes) -> bytes:
    """Some bits are others."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 4, 64])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(rng: Random, data: bytes) -> bytes:
    """A stretch is noise, zeros, or what stands elsewhere."""
    size = rng.choice([16, 512, 4096])
    at = rng.randrange(max(1, len(data) - size)) // size * size
    source = rng.randrange(max(1, len(data) - size)) // size * size
    new = rng.choice([rng.randbytes(size), bytes(size), data[source : source + size]])
    return data[:at] + new + data[at + size :]


def cut(rng: Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.choice([0, 15, 100, 4096, rng.randrange(len(data)), rng.randrange(len(data)) // 4096 * 4096])]


STATEMENTS: Final = (
    "UPDATE segment SET seal = zeroblob(16) WHERE last = (SELECT min(last) FROM segment)",
    "UPDATE segment SET name = '../../etc/passwd'",
    "UPDATE segment SET name = (SELECT name FROM segment ORDER BY last DESC LIMIT 1)",
    "UPDATE segment SET size = size + 1",
    "UPDATE segment SET size = 1 << 62",
    "UPDATE segment SET last = last + 1000",
    "UPDATE segment SET last = -last",
    "DELETE FROM segment",
    "DELETE FROM segment WHERE last = (SELECT max(last) FROM segment)",
    "DELETE FROM home",
    "UPDATE home SET place = 'elsewhere:1'",
    "UPDATE mark SET facts = facts - 1 WHERE epoch = 5",
    "UPDATE mark SET deltas = deltas + 1 WHERE epoch = (SELECT max(epoch) FROM mark)",
    "UPDATE mark SET ms = ms + 1",
    "DELETE FROM mark WHERE epoch = (SELECT max(epoch) FROM mark)",
    "DELETE FROM mark",
    "DELETE FROM mark WHERE epoch = (SELECT max(epoch) FROM mark); DELETE FROM epoch WHERE number = (SELECT max(number) FROM epoch)",
    "UPDATE epoch SET at_ms = at_ms + 1 WHERE number = 3",
    "UPDATE epoch SET origin = 'nobody'",
    "UPDATE epoch SET number = number + 100 WHERE number = (SELECT max(number) FROM epoch)",
    "DELETE FROM epoch WHERE number = 3",
    "DELETE FROM log WHERE seq = 3",
    "DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)",
    "DELETE FROM log",
    "UPDATE log SET epoch = epoch - 1 WHERE seq = 5",
    "UPDATE log SET seq = -seq WHERE seq = 5",
    "UPDATE log SET frame = zeroblob(length(frame)) WHERE seq = 4",
    "UPDATE log SET frame = (SELECT frame FROM log WHERE seq = 3) WHERE seq = 4",
    "UPDATE log SET frame = CAST(x'01' || substr(frame, 2) AS BLOB) WHERE seq = 4",
    "UPDATE log SET frame = zeroblob(1000000) WHERE seq = (SELECT max(seq) FROM log)",
    "INSERT INTO log SELECT seq + 1, epoch, frame FROM log WHERE seq = (SELECT max(seq) FROM log)",
    "INSERT INTO log SELECT 1 << 60, epoch, frame FROM log WHERE seq = 1",
    "UPDATE held SET envelope = zeroblob(300)",
    "UPDATE held SET id = zeroblob(32)",
    "UPDATE held SET author = zeroblob(32)",
    "DELETE FROM chunk WHERE row = 2",
    "UPDATE chunk SET body = zeroblob(length(body)) WHERE row = 1",
    "UPDATE chunk SET size = size + 1 WHERE row = 1",
    "UPDATE chunk SET cid = zeroblob(36) WHERE row = 1",
    "UPDATE held SET due_ms = 1",
    "UPDATE held SET origin = 'nobody', reason = 'none', arrived_ms = 1",
    "UPDATE name SET name = 'mallory'",
    "DROP TABLE held",
    "CREATE TABLE more(a)",
    "PRAGMA user_version=1",
    "PRAGMA user_version=3",
    "PRAGMA application_id=1",
)
"""What a person with SQLite might do to a file."""


def alter_by_sql(intact: Intact, sql: str) -> dict[Path, bytes | None]:
    """What the files are after a statement."""
    intact.restore({})
    connection = apsw.Connection(intact.path)
    try:
        connection.execute(sql)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    return {Path(intact.path): Path(intact.path).read_bytes(), Path(intact.path + "-wal"): None}


def alter(intact: Intact, number: int, rng: Random, statements: Sequence[str]) -> tuple[str, dict[Path, bytes | None]]:
    """One alteration: what it is called, and what it makes of which files. First come the statements, each once."""
    if number < len(statements):
        return "statement", alter_by_sql(intact, statements[number])
    database, wal = Path(intact.path), Path(intact.path + "-wal")
    segments = [path for path in intact.files if path.suffix == ".seg"]
    what = rng.choice(
        ["database", "database", "wal", "segment", "segment", "statement"]
        if intact.is_hot
        else ["database", "database", "segment", "statement"]
    )
    if what == "statement":
        return "statement", alter_by_sql(intact, rng.choice(statements))
    if what == "segment" and rng.random() < 0.2:
        one, other = rng.choice(segments), rng.choice(segments)
        return "segment", {one: rng.choice([None, intact.files[other]])}
    path = {"database": database, "wal": wal, "segment": rng.choice(segments)}[what]
    change = rng.choice([flip, flip, overwrite, cut])
    return f"{what} {change.__name__}", {path: change(rng, intact.files[path])}


# -- how it is used ----------------------------------------------------------------------------------------------------


def run(
    folder: Path,
    seed: int,
    times: int,
    bug: Bug = nullcontext,
    statements: Sequence[str] = STATEMENTS,
    seconds: float = SECONDS_MAX,
) -> Tally:
    """Alter a file so many times, and use each."""
    began = time.monotonic()
    tally = Tally()
    intacts = [Intact(folder / "closed", False), Intact(folder / "hot", True)]
    for number in range(times):
        rng = Random(f"{seed}/{number}")
        intact = intacts[number % 2]
        what, altered = alter(intact, number, rng, statements)
        intact.restore(altered)
        try:
            outcome = use(intact, what.startswith("wal"), bug, seconds)
        except Broken as broken:
            raise Broken(f"{broken} ({what}, number {number} of seed {seed})") from None
        tally.outcomes[outcome] += 1
    shutil.rmtree(folder)
    tally.seconds = time.monotonic() - began
    return tally


def use(intact: Intact, may_be_shorter: bool, bug: Bug = nullcontext, seconds: float = SECONDS_MAX) -> str:
    """Use an altered file in a process of its own; what came of it."""

    def work(send: int) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with bug(), small_thresholds():
            os.write(send, judge(intact, may_be_shorter).encode() + b"\n")

    process, receive = fork(work)
    if not select.select([receive], [], [], seconds)[0]:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(receive)
        raise Broken(f"nothing takes longer than {seconds} s")
    lines = drain(receive)
    _, status = os.waitpid(process, 0)
    require(not os.WIFSIGNALED(status) and lines, f"nothing crashes: signal {os.WTERMSIG(status)}")
    return lines[0]


def judge(intact: Intact, may_be_shorter: bool) -> str:
    """Ask an altered file everything, verify it, write to it, make its index anew."""
    try:
        db = opened(intact.path, create=False, wait_ms=100)
    except Error:
        return "not opened"
    with closing(db):
        answers = ask(db)
        beginnings = [intact.answers, *(intact.beginnings if may_be_shorter else ())]
        wrong = min((_differing(answers, right) for right in beginnings), key=len)
        findings = list(db.verify())
        if wrong:
            name = wrong[0]
            shown, right = repr(answers[name]), repr(intact.answers[name])
            raise Broken(f"no answer is wrong, but {wrong}: {name} is {_around(shown, right)}")
        _write(db)
        if any(_is_refused(answer) for answer in answers.values()):
            return "some answers refused"
        if findings:
            return "right, and verify finds damage"
        return "as if nothing were" if answers == intact.answers else "a beginning"


def _is_refused(answer: Any) -> bool:
    return isinstance(answer, Refused) and answer.for_damage


def _differing(answers: Answers, right: Answers) -> list[str]:
    return [name for name, answer in answers.items() if answer != right[name] and not _is_refused(answer)]


def _around(answer: str, right: str) -> str:
    at = next(
        (at for at, (a, b) in enumerate(zip(answer, right, strict=False)) if a != b), min(len(answer), len(right))
    )
    return f"…{answer[max(0, at - 30) : at + 60]}… for …{right[max(0, at - 30) : at + 60]}…"


def _write(db: Connection) -> None:
    try:
        db.transact([(b"after", "n", 1)])
        require(db.get(b"after", "n") == 1, "what is written can be read")
    except Error:
        pass
    try:
        db.rebuild_index()
        db.stats()
        list(db.facts(b"film"))
    except Error:
        pass

"""The care of a database: watching it, standing views of it, looking after its file, copying it, making it small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget, budget_of
from rhizomedb.db.live.watch import POLL_S, Arrived, watch
from rhizomedb.db.programs.notices import unknown_attributes
from rhizomedb.db.programs.query import parsed_of
from rhizomedb.db.reader import Moment, Reader
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.delta import ENVELOPE_BYTES_MAX
from rhizomedb.facts.fact import CAUSES_MAX
from rhizomedb.facts.payload import FACTS_MAX
from rhizomedb.facts.value import VALUE_BYTES_MAX

if TYPE_CHECKING:
    from rhizomedb.db.doctor import Ailment
    from rhizomedb.db.keyring import Keyring
    from rhizomedb.db.live.live_view import View
    from rhizomedb.db.live.open_views import OpenViews
    from rhizomedb.db.programs.composing import Part
    from rhizomedb.logic import Aggregate, Program
    from rhizomedb.store.backup import Backup
    from rhizomedb.store.compact import Compaction
    from rhizomedb.store.file import File
    from rhizomedb.store.progress import Progress


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: its name, how much it allows (None: no limit), how much is used where that is counted, and of what."""

    name: str
    limit: float | None
    used: int | None
    what: str

    @property
    def counts_bytes(self) -> bool:
        """Whether it is bytes that are counted."""
        return self.what.startswith("bytes ")

    def as_dict(self) -> dict[str, object]:
        """As data."""
        return {name: getattr(self, name) for name in self.__slots__}


class Care(Reader):
    """What an open database offers to those who look after it."""

    _keyring: Keyring
    _views: OpenViews | None = None

    def watch(
        self, since: int | str | None = None, *, poll_s: float = POLL_S, timeout_s: float | None = None
    ) -> Iterator[Arrived]:
        """Every epoch as it comes, whichever process wrote it: each once, in order, none left out.

            for epoch in db.watch():
                for entity, attribute in epoch.registers():
                    print(db[entity].label, attribute)

        Begins after epoch `since`, or a cursor (`Arrived.cursor`), so that who was away goes on where it was; else with the
        next that comes. Looks
        every `poll_s` seconds when nothing comes, more often when something does. Ends when nothing came for
        `timeout_s` seconds (None: never) or when the database is closed. Held deltas whose time has come are let in.
        """
        return watch(self._store, self._newest, since=since, poll_s=poll_s, timeout_s=timeout_s)

    def view(
        self,
        program: str | Program,
        parameters: Mapping[str, object] | None = None,
        *,
        relation: str | None = None,
        using: Iterable[Part] = (),
        only: str | Iterable[str] | None = None,
        aggregates: Mapping[str, Aggregate] | None = None,
        budget: Budget | None = None,
        by: str | Iterable[str] = (),
        since: Moment | None = None,
        as_of: Moment | None = None,
        keep: bool | None = None,
        **more_parameters: object,
    ) -> View:
        """A standing view of what a program derives: it is kept up to date, and costs what changed, not what there is.

            with db.view(program) as view:
                print(view.relation())
                for change in view.watch():
                    print(change.plus, change.minus)

        The program is that of a `query`, of which a view has every relation, or with `relation` only that one and what
        it depends on. With `only` no relation but these can be read, `relation` or else the first of them is the answer,
        and of the others no more is derived than these need. `using` adds the rules of data types, as in a query. `by`,
        `since` and `as_of` narrow what it sees, as for a reader. The first evaluation, and each step after it, has to keep
        within the budget. The name of a stored view (`define_view`) or program opens that, as it is defined now; values
        of parameters that are given here count before those that are stored. With `keep` what a stored view derives stays in
        the index folder when it is closed, and is there at once when it is opened again, until `keep=False` removes it.
        """
        from rhizomedb.logic.parameters import merged

        reader: Reader = self
        if by:
            reader = reader.by(*([by] if isinstance(by, str) else by))
        reader = reader if since is None else reader.since(since)
        reader = reader if as_of is None else reader.as_of(as_of)
        values = merged(parameters, more_parameters)
        opened = reader.opened(program, using)
        name = program if opened is not None and isinstance(program, str) else None
        # What is kept is the view as it is stored; one that is asked for otherwise in passing does not replace it.
        is_narrowed = bool(values or by or only or aggregates) or (relation, since, as_of) != (None, None, None)
        if keep is not None and (name is None or self._own_file() is None):
            raise RequestError(
                "db.usage",
                "what is kept between processes has a name: that of a stored view, in a file",
                fix='db.define_program("films", rules); db.view("films", keep=True)',
            )
        if opened is not None:
            program, using, values = opened.text, opened.using, {**opened.parameters, **values}
            relation = relation if relation is not None or only is not None else opened.answer
        return self._open_views().open(
            reader.composing(program, using)(parsed_of(program)),
            reader.cut,
            relation=relation,
            only=[only] if isinstance(only, str) else only,
            parameters=values,
            aggregates=aggregates,
            budget=budget_of(budget),
            notices=partial(unknown_attributes, store=self._store),
            kept_as=name if keep is not None or not is_narrowed else None,
            keep=keep,
        )

    def _open_views(self) -> OpenViews:
        if self._views is None:
            from rhizomedb.db.live.open_views import OpenViews  # it loads asyncio, which most programs never need

            self._views = OpenViews(self._store, self._newest)
        return self._views

    def _tell_views(self) -> None:
        """Let the views follow what was written."""
        if self._views is not None:
            self._views.tell()

    def _newest(self) -> int:
        return self.cut.epoch or 0

    def doctor(
        self, *, fix: bool = False, rebuild_index: bool = False, quick: bool = False, progress: Progress | None = None
    ) -> list[Ailment]:
        """What is wrong with the database and around it, in plain sentences.

        With `fix` what can be mended without losing anything is mended; `rebuild_index` makes the index anew in any
        case; `quick` leaves out what `verify` does, whose time grows with the file; `progress` is told of it.
        """
        from rhizomedb.db import doctor as doctors  # only for who asks

        file = self._own_file()
        patient = doctors.Patient(self._store, file, self._keyring, self._clock(), fix, rebuild_index, quick, progress)
        return list(doctors.examine(patient))

    def backup(self, target: str | Path, *, progress: Progress | None = None) -> Backup:
        """Bring a backup up to date, or make it: a database file with everything that is here now.

        Others go on reading and writing. Where `target` is an earlier backup of this database, only what is new is
        added, all or nothing; `store.backup-target` or `store.backup-ahead` if it is anything else.
        """
        from rhizomedb.store.backup import backup

        file = self._needs_file("a backup")
        return backup(file.absolute, str(target), wait_ms=file.wait_ms, progress=progress, name=file.name)

    def compact(self) -> Compaction:
        """Give back the pages that are not in use, merge the index, empty the write-ahead log; says what was gained."""
        from rhizomedb.store.compact import compact

        file = self._needs_file("to be made smaller")
        return compact(file.absolute, wait_ms=file.wait_ms, name=file.name)

    def limits(self) -> list[Limit]:
        """Every limit on what is kept here and on what is asked, with how much of it is used where that is counted."""
        quota, storage, sizes = self._store.quota, self._store.storage(), _largest(self._store.held_sizes())
        budget = Budget()
        return [
            Limit("bytes_max", quota.bytes, storage.total_bytes, "bytes of the file and its index"),
            Limit("held_deltas_max", quota.held_deltas, sizes[0], "deltas held back of one author or origin"),
            Limit("held_bytes_max", quota.held_bytes, sizes[1], "bytes held back of one author or origin"),
            Limit("memory_bytes_max", quota.memory, None, "bytes of memory that a write or an import may take"),
            Limit("attachment_bytes_max", self._limits.file_bytes, None, "bytes of one attachment"),
            Limit(
                "attachments_total_bytes_max",
                self._limits.total_bytes,
                storage.attachment_bytes,
                "bytes of all attachments",
            ),
            Limit("value_bytes", VALUE_BYTES_MAX, None, "bytes of a text, bytes or key"),
            Limit("fact_causes", CAUSES_MAX, None, "causes of a fact"),
            Limit("delta_facts", FACTS_MAX, None, "facts of a delta"),
            Limit("delta_bytes", ENVELOPE_BYTES_MAX, None, "bytes of a delta"),
            Limit(
                "clock_ahead_s", AHEAD_MS_MAX // 1000, None, "seconds that a clock may be ahead and not be held back"
            ),
            Limit("query_facts", budget.facts, None, "tuples that a query derives"),
            Limit("query_rounds", budget.rounds, None, "rounds of a recursion"),
            Limit("query_seconds", budget.seconds, None, "seconds of a query"),
            Limit("query_bytes", budget.bytes, None, "bytes that a query holds"),
        ]

    def _own_file(self) -> File | None:
        return getattr(self._store, "file", None)

    def _needs_file(self, what: str) -> File:
        file = self._own_file()
        if file is None:
            raise RequestError(
                "db.usage", f"a database in memory has no file: {what} needs one", fix='open("films.db")'
            )
        return file


def _largest(rows: list[tuple[bytes, str, int, int]]) -> tuple[int, int]:
    """The most deltas, and the most bytes, held back of one author or origin."""
    sums: dict[bytes | str, list[int]] = {}
    for author, origin, deltas, size in rows:
        for key in (author, origin):
            total = sums.setdefault(key, [0, 0])
            total[0] += deltas
            total[1] += size
    return max((each[0] for each in sums.values()), default=0), max((each[1] for each in sums.values()), default=0)


def restore(
    backup: str | Path,
    path: str | Path,
    *,
    force: bool = False,
    discard: bool = False,
    wait_ms: int = 10_000,
    progress: Callable[[int, int], object] | None = None,
) -> Backup:
    """Make a database file of a backup; every hash and signature is checked first, and the index is made anew.

    A file that is at `path` already is replaced only with `force`, and only while no other process has it open. If it
    holds deltas or blocks that the backup does not, or cannot be opened, so that nobody knows what it holds
    (`store.restore-loses`), it is replaced only with `discard` too.
    """
    from rhizomedb.store import backup as backups

    return backups.restore(str(backup), str(path), force=force, discard=discard, wait_ms=wait_ms, progress=progress)

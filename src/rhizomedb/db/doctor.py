"""The doctor: what is wrong with a database and around it, in plain sentences, and what of it can be mended without loss.

`verify` says whether what is in the file is what was written. The doctor asks that too, and looks at what surrounds the
file: its index, what waits to become visible, clocks, keys, the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from rhizomedb._record import dataclass
from rhizomedb.db.attachments.attachment import unnamed
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.moment import show_ms
from rhizomedb.errors import Error, RequestError, StoreError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.store.layout import FORMAT
from rhizomedb.store.store import ALL, Finding, Held, Store

if TYPE_CHECKING:
    from rhizomedb.store.file import File
    from rhizomedb.store.progress import Progress

ROOM_BYTES_MIN: Final = 64 << 20
"""A disk with less room is nearly full; so is one with less than a tenth of the file's size."""

HELD_SHOWN_MAX: Final = 20
FREE_SHARE: Final = 4
"""A file of which more than a quarter is not in use is worth making smaller."""

AHEAD_MS: Final = 1000
"""A clock that is further ahead is worth a word."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that the doctor found: about what, and what; `code` is an error code where there is one.

    It is `wrong`, or else only worth knowing; it has been `mended`, or else `fix` is something to do.
    """

    record: str
    message: str
    code: str | None = None
    wrong: bool = True
    mended: bool = False
    fix: str | None = None

    def as_dict(self) -> dict[str, object]:
        """As data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: a store, the file beneath it if there is one, the keys of the user, and what may be done."""

    store: Store
    file: File | None
    keyring: Keyring
    now_ms: int
    fix: bool
    rebuild_index: bool
    quick: bool
    progress: Progress | None


def examine(patient: Patient) -> Iterator[Ailment]:
    """Everything that is found, as it is found; what stands in the way of several checks is said once."""
    said: set[tuple[str | None, str]] = set()
    for check in CHECKS:
        try:
            yield from check(patient)
        except Error as error:
            if (error.code, error.message) not in said:
                yield Ailment("file", error.message, error.code, fix=error.fix)
            said.add((error.code, error.message))
        except OSError as error:
            yield Ailment("file", f"{error.filename} cannot be looked at: {error.strerror}", "store.unreadable")


def unopened(path: str, error: StoreError) -> list[Ailment]:
    """What is said of a file that does not open: of the disk first, which may be the reason."""
    return [*_room(path), Ailment("file", error.message, error.code, fix=error.fix)]


# -- the file ----------------------------------------------------------------------------------------------------------


def _access(patient: Patient) -> Iterator[Ailment]:
    file = patient.file
    if file is None:
        return
    folder = os.path.dirname(file.absolute)
    if file.read_only:
        yield Ailment("file", f"{file.name} cannot be written", "store.read-only", fix=f"chmod u+w {file.path}")
    elif not os.access(folder, os.W_OK):
        message = f"nothing can be made in {folder}, where SQLite keeps its log while the file is open"
        yield Ailment("file", message, "store.read-only", fix=f"chmod u+w {folder}")
    if file.was_upgraded:
        yield Ailment("file", f"its format was an older one; it is {FORMAT} now", wrong=False, mended=True)
    elif file.format != FORMAT:
        yield Ailment("file", f"its format is {file.format}; it becomes {FORMAT} when it can be written", wrong=False)


def _disk(patient: Patient) -> Iterator[Ailment]:
    if patient.file is not None:
        yield from _room(patient.file.absolute)


def _room(path: str) -> Iterator[Ailment]:
    try:
        free = shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free
        size = os.path.getsize(path)
    except OSError as error:
        yield Ailment("disk", f"it cannot be asked for its room: {error.strerror}", "store.unreadable")
        return
    if free < max(ROOM_BYTES_MIN, size // 10):
        yield Ailment("disk", f"it is nearly full: {free:,} bytes are left", "store.full", fix="make room")


def _wal(patient: Patient) -> Iterator[Ailment]:
    from rhizomedb.store.compact import checkpoint
    from rhizomedb.store.file import WAL_KEPT_BYTES

    file = patient.file
    size = 0 if file is None else patient.store.storage().wal_bytes
    if file is None or size <= WAL_KEPT_BYTES:
        return
    message = f"it has {size:,} bytes that are not in the file itself yet"
    if patient.fix and not file.read_only:
        if checkpoint(file):
            yield Ailment("write-ahead log", f"{message[:-4]}; now they are", mended=True)
            return
        message += ", and somebody has been reading since before they were written"
    yield Ailment("write-ahead log", message, wrong=False, fix="rhizome doctor FILE --fix, when nobody reads for long")


def _free(patient: Patient) -> Iterator[Ailment]:
    storage = patient.store.storage()
    if storage.free_bytes > max(1 << 20, storage.file_bytes // FREE_SHARE):
        message = f"{storage.free_bytes:,} of its {storage.file_bytes:,} bytes are not in use"
        yield Ailment("file", message, wrong=False, fix="rhizome compact FILE")


def _unnamed(patient: Patient) -> Iterator[Ailment]:
    """Blocks of an attach that was interrupted, or of attachments that contradict themselves."""
    if patient.quick:
        return
    try:
        found = unnamed(patient.store)
    except StoreError:  # what is damaged has been said
        return
    if found.blocks:
        message = f"{found.blocks:,} of its blocks, {found.bytes:,} bytes, belong to no attachment that anything names"
        yield Ailment("attachments", message, wrong=False, fix="rhizome attachments FILE --collect")


FETCH: Final = "rhizome pull FILE URL, from a place where a copy pushed that has it"
"""How content comes here that other copies have."""


def not_here(findings: Iterable[Finding]) -> str | None:
    """What of the content of attachments is not in this copy, in words; None if nothing is known to be missing."""
    lacking = [finding.missing for finding in findings if finding.missing]
    if not lacking:
        return None
    blocks, manifests = sum(lacking), len(lacking)
    parts = "1 block" if blocks == 1 else f"{blocks:,} blocks"
    lists = "1 manifest lists" if manifests == 1 else f"{manifests:,} manifests list"
    return f"{parts} that {lists} {'is' if blocks == 1 else 'are'} not in this copy"


# -- the log and the index ---------------------------------------------------------------------------------------------


def _log_and_index(patient: Patient) -> Iterator[Ailment]:
    """What `verify` finds, and what is wrong with the index; that is made anew if it may be."""
    findings = [] if patient.quick and not patient.fix else list(patient.store.verify(patient.progress))
    damage = [finding for finding in findings if finding.is_damage and finding.code != "store.index-damaged"]
    for finding in damage:
        yield Ailment(finding.record, finding.message, finding.code, fix="rhizome restore BACKUP FILE --force")
    missing = not_here(findings)
    if missing is not None:
        yield Ailment("attachments", missing, "attachment.missing", wrong=False, fix=FETCH)
    index = [Ailment(each.record, each.message, each.code) for each in findings if each.code == "store.index-damaged"]
    if patient.file is not None:
        index += _segments(patient.file)
    may = patient.file is None or not patient.file.read_only
    # An index may still show what the log has lost; so where that is damaged, it is not made again unasked.
    if may and (patient.rebuild_index or (patient.fix and index and not damage)):
        patient.store.rebuild_index()
        for each in index:
            yield Ailment(each.record, f"{each.message}; it was made again", each.code, each.wrong, mended=True)
        if not index:
            yield Ailment("index", "it was made anew from the log", wrong=False, mended=True)
        return
    for each in index:
        yield Ailment(each.record, each.message, each.code, each.wrong, fix="rhizome doctor FILE --rebuild-index")


def _segments(file: File) -> list[Ailment]:
    """What is wrong with the segments that the catalogue names."""
    from rhizomedb.store.indexed import Indexed

    if file.format != FORMAT:
        return []
    indexed = Indexed(file)
    rows = file.typed((int, str, int, bytes), "SELECT last, name, size, seal FROM segment ORDER BY last")
    if not indexed.is_at_home():
        if not file.run("SELECT 1 FROM log LIMIT 1"):
            return []
        came = "it was made where the file was before" if rows else "there is none on the disk"
        return [Ailment("index", f"{came}, so each opening makes it anew", "store.index-damaged", wrong=False)]
    found = []
    for last, name, size, sealed in rows:
        buffer = indexed.folder.map(name, size)
        if buffer is None:
            what = "is not there, or has another length"
        elif _is_sealed(buffer, sealed):
            continue
        else:
            what = "is not what was written"
        found.append(Ailment("index", f"segment {name}, up to delta {last:,}, {what}", "store.index-damaged"))
    return found


def _is_sealed(buffer: memoryview, sealed: bytes) -> bool:
    from rhizomedb.store.tiers import part_of

    try:
        return bool(part_of(buffer).seal() == sealed)
    except StoreError:
        return False


def _index_folder(patient: Patient) -> Iterator[Ailment]:
    from rhizomedb.store.compact import orphans, sweep
    from rhizomedb.store.folder import Folder

    file = patient.file
    if file is None or file.format != FORMAT:
        return
    folder = Folder(file.absolute).path
    if os.path.lexists(folder) and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        message = f"{folder} is no folder that can be written, so new parts of the index stay in memory"
        yield Ailment("index", message, "store.index-damaged", fix=f"move {folder} away: it is made again")
        return
    left = orphans(file)
    if left and patient.fix:
        removed = sweep(file)
        yield Ailment("index", f"{removed:,} files that an interrupted write left behind were removed", mended=True)
    elif left:
        message = f"{len(left):,} files are left of interrupted writes"
        yield Ailment("index", message, wrong=False, fix="rhizome doctor FILE --fix")


# -- what waits, and clocks --------------------------------------------------------------------------------------------


def _held(patient: Patient) -> Iterator[Ailment]:
    held = patient.store.held()
    for each in held[:HELD_SHOWN_MAX]:
        yield Ailment(f"held delta …{each.id.short}", _waits_for(patient, each), wrong=False)
    if len(held) > HELD_SHOWN_MAX:
        yield Ailment("held deltas", f"{len(held) - HELD_SHOWN_MAX:,} more are held back", wrong=False)


def _waits_for(patient: Patient, held: Held) -> str:
    who = f"{_name(patient, held.author)} said it, it came by {held.origin!r}"
    if held.due_ms is not None:
        return f"{who}, and it is held back until {show_ms(held.due_ms)} because its clock is ahead"
    if held.group is None:
        return f"{who}, and it is held back: {held.reason}"
    visible, waiting = patient.store.members(held.author, held.group)
    return f"{who}, and it waits for the rest of its group: {visible + len(waiting):,} of {held.group.size:,} are here"


def _name(patient: Patient, author: bytes) -> str:
    return patient.store.names().get(author) or patient.keyring.names().get(author) or f"author {author.hex()[:16]}…"


def _clocks(patient: Patient) -> Iterator[Ailment]:
    newest: dict[bytes, int] = {}
    claimed = [(author, ms) for _, author, _, ms, *_ in patient.store.scan("delta", {}, ALL)]
    claimed += [(held.author, held.due_ms + AHEAD_MS_MAX) for held in patient.store.held() if held.due_ms is not None]
    for author, ms in claimed:
        assert isinstance(author, bytes) and isinstance(ms, int), "columns hold the kinds that `COLUMNS` says"
        newest[author] = max(newest.get(author, 0), ms)
    for author, ms in newest.items():
        if ms > patient.now_ms + AHEAD_MS:
            message = (
                f"{_name(patient, author)} speaks of {show_ms(ms)}, which is still to come by this machine's clock"
            )
            yield Ailment("clock", message, wrong=False, fix="set the clock that is wrong: theirs or this one")
    last = patient.store.epochs(patient.store.epoch() - 1)
    if last and last[-1].at_ms > patient.now_ms + AHEAD_MS:
        message = (
            f"epoch {last[-1].number} arrived at {show_ms(last[-1].at_ms)}, which is still to come: it was set back"
        )
        yield Ailment("clock", message, wrong=False, fix="set the clock of this machine")


# -- keys --------------------------------------------------------------------------------------------------------------


def _keys(patient: Patient) -> Iterator[Ailment]:
    keyring = Keyring(patient.keyring.folder)  # which remembers nothing: the files are read again
    names = sorted(path.stem for path in keyring.folder.glob("*.key")) if keyring.folder.is_dir() else []
    mine = {}
    for name in names:
        try:
            mine[name] = keyring.key(name).public
        except RequestError as error:
            if error.code == "keys.unsafe" and patient.fix:
                os.chmod(keyring.folder / f"{name}.key", 0o600)
                yield Ailment(f"key of {name}", "other users could read it; now only you can", error.code, mended=True)
            else:
                yield Ailment(f"key of {name}", error.message, error.code, fix=error.fix)
    for author, name in patient.store.names().items():
        if mine.get(name, author) != author:
            message = "who is called that here has another key than yours: what you say counts as said by somebody else"
            yield Ailment(f"name {name}", message, wrong=False, fix="another name for your key, or the right key file")


CHECKS: Final[tuple[Callable[[Patient], Iterator[Ailment]], ...]] = (
    *(_disk, _access, _log_and_index),  # what is mended there stands in the way of nothing after it
    *(_wal, _free, _unnamed, _index_folder),
    *(_held, _clocks, _keys),
)
"""What is looked at, in this order."""

"""What every verb needs: the database that the options name, at the moment they name, and a way to print data."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from rhizomedb.budget import Budget
from rhizomedb.cli import out
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.programs.result import show
from rhizomedb.db.reader import Reader
from rhizomedb.errors import ExchangeError, RequestError, StoreError, ValueRefused, nearest_names
from rhizomedb.exchange.output import to_cell, to_line
from rhizomedb.exchange.source import NOT_UTF8, Source, leads_nowhere, near_files, not_found
from rhizomedb.facts.value import Attribute, Value, check_value
from rhizomedb.logic.parse import parse
from rhizomedb.logic.tokens import TEXT_BYTES_MAX
from rhizomedb.store.holder import words
from rhizomedb.store.memory import MEMORY
from rhizomedb.store.open import WAIT_MS

if TYPE_CHECKING:
    from rhizomedb.db.programs.composing import Part
    from rhizomedb.hyper.schema import HyperSchema
    from rhizomedb.store.file import Durability

PAIRS = {"--type": "runtime=int", "--rename": "length=runtime", "--param": "limit=180", "--budget": "time=60"}
"""An example for each option that takes NAME=VALUE."""

BUDGET_LIMITS = {"facts": "facts", "rounds": "rounds", "time": "seconds", "memory": "bytes"}


@contextmanager
def opened(
    path: str,
    *,
    create: bool = False,
    author: str | None = None,
    wait: float | None = None,
    durability: Durability | None = None,
    memory: int | Literal["default"] | None = "default",
) -> Iterator[Connection]:
    """The database file, closed at the end. A file made for a write that fails goes with it."""
    if not create and path != MEMORY and not os.path.exists(path):
        raise StoreError(
            "store.not-found",
            leads_nowhere(path) or f"there is no database {path}",
            nearest=near_files(path),
            fix=f"rhizome import {shlex.quote(path)} table.csv --as SOURCE --key COLUMN",
        )

    def say_waiting(seconds: float, process: int | None) -> None:
        out.note(f"waiting for {words(process)}, which writes to {path} (for {seconds:.0f} s at most: --wait)")

    made = create and path != MEMORY and not os.path.lexists(path)
    wait_ms = WAIT_MS if wait is None else int(wait * 1000)
    unused = False
    try:
        with connect(
            path,
            create=create,
            author=author,
            wait_ms=wait_ms,
            durability=durability or "full",
            memory_bytes_max=memory,
            waiting=say_waiting,
        ) as db:
            try:
                yield db
            except BaseException:
                unused = made and db.cut.epoch == 0
                raise
    finally:
        # SQLite removes the -wal file with the last connection: where it is still there, another process has begun.
        if unused and not os.path.exists(f"{path}-wal"):
            os.unlink(path)


def at_moment(db: Connection, options: Namespace) -> Reader:
    """The database at the moment, and by the authors, that the options name."""
    reader: Reader = db
    if options.epoch is not None:
        reader = reader.at_epoch(options.epoch)
    if options.as_of is not None:
        reader = reader.as_of(options.as_of)
    if options.since is not None:
        reader = reader.since(options.since)
    if options.by:
        reader = reader.by(*options.by)
    return reader


def whole_schemas(db: Connection, options: Namespace) -> list[HyperSchema]:
    """The schemas by which is shown what some authors say, or what was said since: whoever and whenever those were said.

    Nothing where the reader itself has them.
    """
    if not options.by and options.since is None:
        return []
    return list(at_moment(db, Namespace(**{**vars(options), "by": None, "since": None})).schemas().values())


def known_thing(reader: Reader, name: str) -> None:
    """Raise the error that says what is near, where nothing is known of a thing."""
    if not reader.is_known(reader.thing(name)):
        reader.get(name)


def print_lines(rows: Iterable[Mapping[str, object]], limit: int | None = None) -> None:
    """One JSON object per line."""
    for number, row in enumerate(rows):
        if limit is not None and number >= limit:
            break
        sys.stdout.write(to_line(row) + "\n")


def attribute_named(reader: Reader, text: str) -> Attribute:
    """The attribute that a word of the command line means: text, unless only a number of that spelling is in use."""
    if not text.strip():
        raise RequestError("db.usage", "an attribute has a name", fix='rhizome add FILE "The Matrix" runtime 136')
    known = reader.attribute_names()
    if text in known:
        return text
    return next((a for a in known if not isinstance(a, str) and show(a) == text), text)


def together_named(reader: Reader, groups: list[str]) -> list[tuple[Attribute, ...]]:
    """The attributes that belong together, of each group one word: `street,city,zip`."""
    found = []
    for group in groups:
        names = tuple(attribute_named(reader, name.strip()) for name in group.split(",") if name.strip())
        for name in names:
            reader.check_attribute(name)
        found.append(names)
    return found


def column_of(attribute: Attribute) -> str:
    """An attribute as the name of a column or of a JSON field: whole, unlike what is shown to people."""
    return to_cell(attribute)


def value_of(text: str, kind: str | None = None) -> Value:
    """The value that a word of the command line means: int, float, true or false as it looks, else text."""
    looks: dict[str, Callable[[], Value]] = {
        "int": lambda: int(text),
        "float": lambda: float(text),
        "bool": lambda: {"true": True, "false": False}[text.lower()],
        "text": lambda: text,
    }
    if kind is not None:
        try:
            return check_value(looks[kind]())
        except (ValueError, KeyError):
            raise RequestError(
                "db.usage", f"{text!r} is not of type {kind}", fix="--type text takes it as it is"
            ) from None
    for kind_tried in ("int", "float", "bool"):
        try:
            value = check_value(looks[kind_tried]())
        except (ValueError, KeyError, ValueRefused):
            continue
        # 007, 1_000 and +5 are text: what a person typed must come back as typed
        if kind_tried == "bool" or _as_typed(text, value):
            return value
    return text


def value_like(reader: Reader, attribute: Attribute, text: str, kind: str | None = None) -> Value:
    """The value that a word means beside those that an attribute has: text stays text, a number joins floats."""
    if kind is None and reader.kind_of_attribute(attribute) in ("text", "float"):
        held = reader.kind_of_attribute(attribute)
        value = value_of(text)
        if held == "text":
            return text
        return float(value) if type(value) is int else value
    return value_of(text, kind)


def _as_typed(text: str, value: Value) -> bool:
    digits = text.removeprefix("-")
    if (
        not digits
        or not digits[0].isdigit()
        or "_" in text
        or (len(digits) > 1 and digits[0] == "0" and digits[1].isdigit())
    ):
        return False
    return isinstance(value, int) == digits.isdigit()


def text_of_file(path: str) -> str:
    """The text of a small file such as a program."""
    if not os.path.exists(path):
        raise not_found(path)
    # Four bytes a character: one more than a program may have is enough to refuse it.
    with Source(path, bytes_max=4 * (TEXT_BYTES_MAX + 1)).open() as opened:
        text = opened.text.read(TEXT_BYTES_MAX + 1)
    if match := NOT_UTF8.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise ExchangeError(
            "exchange.encoding", f"{path} is not UTF-8 text", where=f"{path} line {line}", fix="save it as UTF-8"
        )
    return text


def parts(options: Iterable[str]) -> list[Part]:
    """What `--using` names: data types, and programs in files as @FILE."""
    return [parse(text_of_file(text[1:])) if text.startswith("@") else text for text in options]


def pairs(options: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a dict."""
    found: dict[str, str] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise RequestError("db.usage", f"{option} {text!r} is not NAME=VALUE", fix=f"{option} {PAIRS[option]}")
        found[name] = value
    return found


def budget_of(limits: Iterable[str]) -> Budget:
    """The budget that `--budget` options describe."""
    changes: dict[str, float | int | None] = {}
    for name, text in pairs(limits, "--budget").items():
        if name not in BUDGET_LIMITS:
            raise RequestError(
                "db.usage",
                f"{name!r} is not a limit",
                nearest=nearest_names(name, BUDGET_LIMITS),
                fix=f"--budget {{{','.join(BUDGET_LIMITS)}}}=N",
            )
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number <= 1e15:
            raise RequestError(
                "db.usage", f"--budget {name}: {text!r} is not a number above 0", fix=f"--budget {name}=60"
            )
        changes[BUDGET_LIMITS[name]] = number if name == "time" else int(number * (1 << 20 if name == "memory" else 1))
    return Budget(**changes)  # type: ignore[arg-type]  # the names are those of Budget


def file_stem(path: str) -> str:
    """A source's name from its file: `data/imdb.csv.gz` is `imdb`."""
    return os.path.basename(path).removesuffix(".gz").rpartition(".")[0] or os.path.basename(path)

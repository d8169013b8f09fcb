"""Reading any table: the format by the file's name, or else by how it begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, Final

from rhizomedb.exchange.csv_reader import read_csv
from rhizomedb.exchange.json_reader import read_json
from rhizomedb.exchange.json_text import decode
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import Options, Progress, Table

SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}

READERS: Final[dict[str, Callable[[Source, Options, Progress | None], Table]]] = {
    "csv": read_csv,
    "tsv": read_csv,
    "json": read_json,
    "jsonl": read_json,
}


def read_table(
    path: str | os.PathLike[str] | Source,
    options: Options | None = None,
    *,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> Table:
    """Read a table of rows: CSV, TSV, JSON or JSON lines, plain or gzip; `-` is standard input.

    The whole file is checked before this returns; `progress` is told how far that is. Iterating over the table reads
    the file again.

        table = read_table("imdb.csv", Options(key=("title",)))
        for row in table: print(row.line, row.values)
    """
    options = options or Options()
    source = path if isinstance(path, Source) else Source(path, stdin)
    chosen = options.format or guess_format(source.name, source.head)
    return READERS[chosen](source, replace(options, format=chosen), progress)


def guess_format(name: str, head: str) -> str:
    """The format that a file's name or its first characters say. A `.json` file of one object a line is JSON lines."""
    suffix = os.path.splitext(name.lower().removesuffix(".gz"))[1]
    found = SUFFIXES.get(suffix)
    text = head.lstrip()
    if found not in (None, "json"):
        return found or "csv"
    if text.startswith("{"):
        return "jsonl" if _is_lines(text) else "json"
    return found or ("json" if text.startswith("[") else "csv")


def _is_lines(text: str) -> bool:
    """Whether the text is an object without rows in it, or is followed by another one on a later line."""
    try:
        first, end = decode(text)
    except ValueError:
        return False
    rest = text[end:]
    if rest.strip():
        return "\n" in rest[: len(rest) - len(rest.lstrip())]
    return isinstance(first, dict) and not any(isinstance(value, list) for value in first.values())

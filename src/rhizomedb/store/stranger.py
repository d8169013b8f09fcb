"""What a file looks like that is no database: most often a table that is meant to be taken in."""

from __future__ import annotations

import os
import shlex
from typing import Final

HEAD_BYTES: Final = 512

MAGIC: Final[tuple[tuple[bytes, str, str | None], ...]] = (
    (b'[{"/"', "exported deltas", "rhizome import {new} {path}"),
    (b"\x1f\x8b", "a file that gzip compressed", "if it is a table or an export: rhizome import {new} {path}"),
    (b"PK\x03\x04", "a spreadsheet or zip archive", "save the sheet as CSV, and: rhizome import {new} table.csv --key COLUMN"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8, and: rhizome import {new} table.csv --key COLUMN"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8, and: rhizome import {new} table.csv --key COLUMN"),
    (b"PAR1", "a Parquet file", "export it as CSV, and: rhizome import {new} table.csv --key COLUMN"),
    (b"%PDF", "a PDF", None),
)  # fmt: skip
"""How files begin, what they look like, and what would be right."""

ARCHIVE: Final = b"eroots"
"""What stands in the header of every archive (CAR), some bytes from its beginning."""

TABLE: Final = "rhizome import {new} {path} --key COLUMN"
DELIMITERS: Final = ",;\t|"


def looks_like(head: bytes, path: str) -> tuple[str, str | None]:
    """What a file looks like by its first bytes, and what would be right."""
    what, right = _looks_like(head)
    stem = os.path.basename(path).removesuffix(".gz").rpartition(".")[0] or "films"
    new = shlex.quote(os.path.join(os.path.dirname(path), f"{stem}.db"))
    return what, None if right is None else right.format(new=new, path=shlex.quote(path))


def _looks_like(head: bytes) -> tuple[str, str | None]:
    for magic, what, right in MAGIC:
        if head.startswith(magic):
            return what, right
    if ARCHIVE in head[:24]:
        return "an archive of deltas (CAR)", "rhizome import {new} {path}"
    text = head.removeprefix(b"\xef\xbb\xbf").decode(errors="ignore")
    if any(not (char.isprintable() or char in "\t\r\n") for char in text):
        return "something else", None
    if len(text.encode()) < len(head) * 9 // 10 - 6:  # more than a few letters of another encoding
        return "something else", None
    if text.lstrip()[:1] in ("{", "["):
        return "JSON", TABLE
    if any(delimiter in text.partition("\n")[0] for delimiter in DELIMITERS):
        return "a table (CSV or the like)", TABLE
    return "a text", None

r"""Printing for people: tables, times, values and colours on a terminal.

Stored text comes from strangers, so nothing of it may drive the terminal: control characters, and the marks that
reverse the direction of writing, are printed as escapes (`\x1b`, `\u202e`). Widths are those of a terminal's cells:
an ideograph takes two, a combining mark none.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TextIO

from rhizomedb._record import dataclass
from rhizomedb.exchange.output import to_line
from rhizomedb.facts.cid import Cid

# Text.

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def safe(text: str) -> str:
    """The text with everything that could steer a terminal written as an escape."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def safe_lines(text: str) -> str:
    """The same for a text of several lines, such as a message: the ends of its lines stay."""
    return "\n".join(map(safe, text.split("\n")))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    number = ord(character)
    return _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def width(text: str) -> int:
    """How many cells a terminal gives to a text."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, cells: int) -> str:
    """The text, cut to a number of cells; what is cut off is shown as `…`."""
    if width(text) <= cells:
        return text
    if cells < 1:
        return ""
    used, kept = 1, []
    for character in text:
        used += _cells(character)
        if used > cells:
            break
        kept.append(character)
    return "".join(kept) + "…"


def pad(text: str, cells: int, right: bool = False) -> str:
    """The text, filled with blanks to a number of cells."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 fact`, `2 facts`, `1,000 entities`."""
    return f"{count:,} {noun if count == 1 else nouns or _plural_of(noun)}"


def _plural_of(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def value_text(value: object) -> str:
    """A value as a person reads it: text bare, bytes and CIDs short, everything safe to print."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, bytes):
        return "0x" + value.hex() if len(value) <= 16 else f"0x{value[:14].hex()}… ({plural(len(value), 'byte')})"
    if isinstance(value, Cid):
        return f"…{value.short}"
    return safe(to_line(value))


# Colour.

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Style:
    """Colours, or none: `style("red", text)`."""

    enabled: bool = False

    def __call__(self, name: str, text: str) -> str:
        """The text in a colour, if there are colours."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.enabled and text else text


def style_for(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Style:
    """Colours if the stream is a terminal that has them and nobody asked for none (https://no-color.org)."""
    wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Style(wanted and is_terminal(stream))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is at the other end."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def terminal_width(stream: TextIO, otherwise: int | None = None) -> int | None:
    """How many cells a line has; `otherwise` (no limit) where the output is not a terminal."""
    return shutil.get_terminal_size().columns if is_terminal(stream) else otherwise


# Tables.

_GAP: Final = "  "
_PLAIN: Final = Style()
_NARROWEST: Final = 8


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    width_max: int | None = None,
    style: Style = _PLAIN,
    colours: Mapping[str, str] | None = None,
    whole: Collection[str] = (),
) -> list[str]:
    """The lines of a table: columns aligned, numbers to the right, cut to a width if one is given.

    Cells are values; text is made safe. `colours` gives a column's cells a colour; those of `whole` are never cut.

        title       year
        The Matrix  1999
    """
    colours = colours or {}
    rows = [list(row) for row in rows]
    cells = [[value_text(value) for value in row] for row in rows]
    titles = [safe(title) for title in header]
    right = [_is_numeric(row[place] for row in rows) for place in range(len(titles))]
    columns = zip(titles, *cells, strict=True) if cells else ((title,) for title in titles)
    widths = [max(map(width, column)) for column in columns]
    if width_max is not None:
        room = width_max - len(_GAP) * (len(widths) - 1)
        kept = {place: cells for place, cells in enumerate(widths) if header[place] in whole}
        shrunk = iter(_shrink([w for place, w in enumerate(widths) if place not in kept], room - sum(kept.values())))
        widths = [kept[place] if place in kept else next(shrunk) for place in range(len(widths))]

    def line(texts: Sequence[str], paint: Callable[[str, str], str]) -> str:
        parts = [
            paint(title, pad(fit(text, cells), cells, at_right))
            for title, text, cells, at_right in zip(header, texts, widths, right, strict=True)
        ]
        return _GAP.join(parts).rstrip()

    head = line(titles, lambda _title, text: style("bold", text))
    return [head, *(line(row, lambda title, text: _painted(style, colours.get(title), text)) for row in cells)]


def _painted(style: Style, colour: str | None, text: str) -> str:
    return style(colour, text) if colour else text


def _is_numeric(values: Iterable[object]) -> bool:
    """Whether there are values, and all of them are numbers."""
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _shrink(widths: list[int], room: int) -> list[int]:
    """Take cells from the widest columns until the sum fits, but leave each enough to tell what is in it."""
    widths = list(widths)
    while sum(widths) > room:
        widest = max(widths)
        if widest <= _NARROWEST:
            break
        next_widest = max([cells for cells in widths if cells < widest], default=_NARROWEST)
        count = widths.count(widest)
        target = max(next_widest, _NARROWEST, widest - -(-(sum(widths) - room) // count))
        widths = [min(cells, target) for cells in widths]
    return widths


# Times.


_STEPS: Final = (
    (365.2425 * 86400, "year"),
    (30.436875 * 86400, "month"),
    (86400.0, "day"),
    (3600.0, "hour"),
    (60.0, "minute"),
)


def relative_time(ms: int, now_ms: int) -> str:
    """How long ago a moment was, in its largest unit: `2 hours ago`, `in 5 minutes`, `just now`."""
    seconds = (now_ms - ms) / 1000
    for step, unit in _STEPS:
        if (count := int(abs(seconds) / step)) > 0:
            return f"{plural(count, unit)} ago" if seconds > 0 else f"in {plural(count, unit)}"
    return "just now"


def duration_text(seconds: float) -> str:
    """`0:07`, `12:30`, `3:00:05`."""
    whole = int(max(0.0, seconds) + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def binary_text(count: float) -> str:
    """`512 B`, `1.5 KiB`, `16 GiB`: as limits are set, so that a round one is shown as one."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.1f}".removesuffix(".0") + f" {unit}"
        count /= 1024
    raise AssertionError("the last unit takes every count")


def bytes_text(count: float) -> str:
    """`512 B`, `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the last unit takes every count")

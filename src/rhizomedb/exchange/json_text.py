"""JSON read from a stream: one value at a time, so that an array of any length takes the memory of one element.

Strict (RFC 8259), by the standard library's scanner, with three things kept that it would lose: a name that stands
twice in an object, `NaN` and the infinities, and a nesting too deep. They come out as `Flaw` values, so that reading
can go on after them and a whole row can be refused by its line.
"""

from __future__ import annotations

import json
from typing import Any, Final, TextIO

from rhizomedb._record import dataclass
from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.source import NOT_UTF8, SILENCE_CHARACTERS_MAX, says_nothing

DEPTH_MAX: Final = 64
VALUE_CHARACTERS_MAX: Final = 16 << 20
_READ: Final = 64 << 10
_BLANKS: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something inside a value that cannot be kept, and why."""

    message: str


def _object(pairs: list[tuple[str, Any]]) -> Any:
    named = dict(pairs)
    if len(named) == len(pairs):
        return named
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    return Flaw(f"`{twice}` stands twice in one object")


DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=lambda text: Flaw(f"{text} is not a number that JSON or a fact can hold")
)


def decode(text: str, at: int = 0) -> tuple[Any, int]:
    """The value that begins at a place, and where it ends; `ValueError` if there is none."""
    try:
        return DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH_MAX} levels") from None


def depth(value: Any) -> int:
    """How deep a decoded value nests: a scalar 0, an empty array 1."""
    levels, level = 0, [value]
    while level := [container for container in level if isinstance(container, dict | list)]:
        levels += 1
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return levels


class Cursor:
    """A place in a stream of JSON, which moves on by whole values and punctuation marks."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text = text
        self._name = name
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._line = 1
        self._counted = 0

    @property
    def line(self) -> int:
        """The line of the place."""
        self._line += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """The next character that is not blank; nothing at the end."""
        blank = 0
        while True:
            buffer, at = self._buffer, self._at
            while at < len(buffer) and buffer[at] in _BLANKS:
                at += 1
            blank += at - self._at
            self._at = at
            if at < len(buffer):
                return buffer[at]
            if blank > SILENCE_CHARACTERS_MAX:
                raise says_nothing(self._name, self.line)
            if not self._fill():
                return ""

    def take(self, marks: str) -> str:
        """Step over one of these characters, and say which it was."""
        mark = self.peek()
        if not mark or mark not in marks:
            found = repr(mark) if mark else "the end of the file"
            raise self.error(f"{' or '.join(marks)} expected, not {found}")
        self._at += 1
        return mark

    def value(self) -> Any:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = decode(self._buffer, self._at)
            except ValueError as error:
                if self._fill():
                    continue
                raise self.error(str(getattr(error, "msg", error))) from None
            # a number may go on after the end of what has been read
            if end < len(self._buffer) or not self._fill():
                self._at = end
                return value

    def error(self, message: str) -> ExchangeError:
        """An error about this place."""
        return ExchangeError(
            "exchange.json",
            f"the file is not the JSON that was expected: {message}",
            where=f"{self._name} line {self.line}",
            fix="an array of objects, or one object a line (--format jsonl)",
        )

    def _fill(self) -> bool:
        """Read on, dropping what has been passed; twice as much each time, so that a long value costs no squares."""
        if self._ended:
            return False
        line = self.line
        rest = self._buffer[self._at :]
        if len(rest) > VALUE_CHARACTERS_MAX:
            raise self.error(f"one value is longer than {VALUE_CHARACTERS_MAX >> 20} MiB, or is never closed")
        more = self._text.read(max(_READ, len(rest)))
        self._ended = not more
        self._buffer, self._at, self._line, self._counted = rest + more, 0, line, 0
        if not more.isascii() and NOT_UTF8.search(more):
            before = NOT_UTF8.split(self._buffer, 1)[0]
            raise ExchangeError(
                "exchange.encoding",
                "the file is not UTF-8",
                where=f"{self._name} line {line + before.count(chr(10))}",
                fix="save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8",
            )
        return bool(more)

"""The words of a program text: one regular expression cuts it into tokens, each with its place.

What cannot be a token becomes one of kind `error` that carries its `ProgramError`; it is reported if the parser gets
to it, so that one mistake in a statement does not become two.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError, Span
from rhizomedb.logic.syntax import PLAIN_NAME, Atom

TEXT_BYTES_MAX = 256 * 1024
"""The longest program text, as UTF-8."""

VARIABLE_NAME = re.compile(r"[A-Z_][A-Za-z0-9_]*\Z")
"""A name of a variable; `_` alone is not one: it matches anything."""

_TOKEN = re.compile(
    r"""
      (?P<space>      \s+ | //[^\n]* | \#[^\n]* | /\*.*?\*/ )
    | (?P<literal>    (?:bytes|cid) "[^"\n]*" )
    | (?P<text>       "(?: [^"\\\x00-\x1f] | \\. )*" )
    | (?P<quoted>     `[^`\r\n]*` )
    | (?P<float>      [0-9]+ (?: \.[0-9]+ (?:[eE][+-]?[0-9]+)? | [eE][+-]?[0-9]+ ) (?!\w) )
    | (?P<int>        [0-9]+ (?![\w]) )
    | (?P<parameter>  \$[A-Za-z_][A-Za-z0-9_]*(?!\w) )
    | (?P<word>       (?! (?:bytes|cid)" ) [^\W\d]\w* )
    | (?P<symbol>     :- | := | == | != | <= | >= | /(?!\*) | [(),.:<>=!@+*-] )
    """,
    re.VERBOSE | re.DOTALL,
)

_HINTS = {
    "'": ("text is written in double quotes", '"text"'),
    ";": ("`;` means nothing here: write two rules with the same head", "p(x: X) :- a(x: X). p(x: X) :- b(x: X)."),
    "&": ("conditions are joined by a comma", "a(x: X), b(x: X)"),
    "|": ("there is no `|`: write two rules with the same head", "p(x: X) :- a(x: X). p(x: X) :- b(x: X)."),
    "%": ("there is no `%`: the remainder is mod(a, b), a comment begins with //", "mod(X, 2)"),
    "?": ("a variable begins with a capital letter, a parameter with $", "X"),
    "[": ("there are no lists: one fact for each member", "member(of: L, value: X)"),
    "{": ("there are no lists: one fact for each member", "member(of: L, value: X)"),
    "$": ("a parameter is `$` and a name", "$limit"),
    "≠": ("`different` is written !=", "X != Y"),
    "≤": ("`at most` is written <=", "X <= Y"),
    "≥": ("`at least` is written >=", "X >= Y"),
    "“": ("text is written in straight double quotes", '"text"'),
    "”": ("text is written in straight double quotes", '"text"'),
    "\\": ("negation is written !p(...) or not p(...)", "!p(x: X)"),
    "~": ("negation is written !p(...) or not p(...)", "!p(x: X)"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text: its kind (`name`, `quoted`, `variable`, `text`, `symbol`, …), its characters, its place."""

    kind: str
    text: str
    span: Span
    start: int
    error: ProgramError | None = None

    @property
    def end(self) -> int:
        """The offset just behind it."""
        return self.start + len(self.text)

    def __str__(self) -> str:
        return "the end of the text" if self.kind == "end" else f"`{self.text}`"


class Places:
    """From an offset in a text to its line and column, lines as `str.splitlines` counts them."""

    def __init__(self, text: str) -> None:
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        del self._starts[max(1, len(self._starts) - 1) :]

    def span(self, start: int, length: int) -> Span:
        """The place of `length` characters from an offset on."""
        line = max(1, bisect_right(self._starts, start))
        return Span(line, start - self._starts[line - 1] + 1, max(1, length))

    def offset(self, span: Span) -> int:
        """The offset at which a place begins."""
        return self._starts[min(span.line, len(self._starts)) - 1] + span.column - 1


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, closed by one of kind `end`."""
    places = Places(text)
    tokens: list[Token] = []
    position = 1 if text.startswith("\ufeff") else 0

    def fail(start: int, end: int, message: str, fix: str | None) -> int:
        piece = text[start:end]
        span = places.span(start, min(len(piece), 40))
        error = ProgramError("logic.syntax", message, where=span, fix=fix, source=text)
        tokens.append(Token("error", piece, span, start, error))
        return end

    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            position = fail(position, *_unreadable(text, position))
            continue
        kind, piece = str(match.lastgroup), match.group()
        if kind == "word":
            kind = _word_kind(piece)
        if kind == "error":
            position = fail(
                position, match.end(), f"`{piece}` needs backquotes: a plain name has only ASCII letters", f"`{piece}`"
            )
            continue
        if kind != "space":
            tokens.append(Token(kind, piece, places.span(position, len(piece)), position))
        position = match.end()
    tokens.append(Token("end", "", places.span(len(text.rstrip()), 1), len(text)))
    return tokens


def _word_kind(word: str) -> str:
    if PLAIN_NAME.match(word):
        return "name"
    return "variable" if VARIABLE_NAME.match(word) else "error"


def _unreadable(text: str, start: int) -> tuple[int, str, str | None]:
    """Where the unreadable part ends, what is wrong with it and what to write."""
    character = text[start]
    if character in '"`' or text.startswith(('bytes"', 'cid"'), start):
        line = re.compile(r"[^\r\n]*").match(text, start)
        assert line is not None, "this pattern matches anywhere"
        piece = line.group().rstrip()
        end = start + len(piece)
        # The period behind an unclosed quote still ends the statement, so that the next one is read.
        end -= len(piece) > 1 and piece.endswith(".")
        quote = "`" if character == "`" else '"'
        closed = piece.count(quote) > 1
        message = (
            "the text holds an escape or a character that JSON does not allow"
            if closed
            else f"a closing {quote} is missing"
        )
        return end, message, None if closed else f"{piece.rstrip('.),')}{quote}"
    if text.startswith("/*", start):
        return len(text), "the comment is not closed: `*/` is missing", "/* comment */"
    if character.isdigit():
        number = re.compile(r"[\w]+").match(text, start)
        end = number.end() if number else start + 1
        digits = "".join(filter(str.isdecimal, text[start:end]))
        return end, f"`{text[start:end]}` is not a number", digits if digits.isascii() else None
    end = start + 1
    while end < len(text) and text[end] == character:
        end += 1
    message, fix = _HINTS.get(character, ("this character means nothing here", None))
    return end, message, fix


def attribute_span(source: str | None, atom: Atom, attribute: str, occurrence: int = 1) -> Span | None:
    """Where an atom names an attribute, or the atom's own place where that cannot be found."""
    if source is None or atom.span is None:
        return atom.span
    start = Places(source).offset(atom.span)
    depth, previous = 0, ""
    position = start
    while match := _TOKEN.match(source, position):
        kind, piece = match.lastgroup, match.group()
        if kind == "symbol":
            depth += {"(": 1, ")": -1}.get(piece, 0)
            if piece == ")" and depth == 0:
                break
            previous = piece
        elif kind != "space":
            name = piece[1:-1] if kind == "quoted" else piece
            if depth == 1 and previous in ("(", ",") and name == attribute:
                occurrence -= 1
                if occurrence == 0:
                    return Places(source).span(match.start(), len(piece))
            previous = piece
        position = match.end()
    return atom.span

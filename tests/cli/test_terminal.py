"""Printing for people: widths, cuts, escapes, colours, times and the progress bar."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.cli.progress import ProgressBar
from rhizomedb.cli.terminal import (
    Style,
    binary_text,
    bytes_text,
    duration_text,
    fit,
    pad,
    plural,
    relative_time,
    safe,
    safe_lines,
    style_for,
    table,
    terminal_width,
    value_text,
    width,
)
from rhizomedb.facts.cid import Cid


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "cells"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("七人", 4), ("ｆ", 2), ("😀", 2), ("a\u200db", 2), ("กำ", 2)],
)
def test_width(text: str, cells: int) -> None:
    assert width(text) == cells


@pytest.mark.parametrize(
    ("text", "cells", "cut"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("七人の侍", 8, "七人の侍"),
        ("七人の侍", 7, "七人の…"),
        ("七人の侍", 6, "七人…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("", 0, ""),
    ],
)
def test_fit(text: str, cells: int, cut: str) -> None:
    assert fit(text, cells) == cut


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 七 😀", "plain é 七 😀"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("\x00\x7f\x07", r"\x00\x7f\x07"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b\u2066c", r"a\u2028b\u2066c"),
        ("\ud800", r"\ud800"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_safe_lines() -> None:
    assert safe_lines("a\x1b\nb\tc") == "a\\x1b\nb\\tc"


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "fact", "0 facts"),
        (1, "fact", "1 fact"),
        (1234, "entity", "1,234 entities"),
        (2, "day", "2 days"),
        (2, "box", "2 boxes"),
    ],
)
def test_plural(count: int, noun: str, text: str) -> None:
    assert plural(count, noun) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x1b", r"a\x1b"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (None, ""),
        (b"\x00\xff", "0x00ff"),
        (b"x" * 100, "0x" + "78" * 14 + "… (100 bytes)"),
        (Cid.of(b"x"), "…" + str(Cid.of(b"x"))[-10:]),
        (["a", 1], '["a", 1]'),
    ],
)
def test_value_text(value: object, text: str) -> None:
    assert value_text(value) == text


def test_table() -> None:
    rows = [["Seven Samurai", 1954, 207.0, "七人の侍"], ["Alien", 1979, None, "x\ny"], ["Amélie", None, 1.5, None]]
    assert table(["title", "year", "minutes", "original"], rows) == [
        "title          year  minutes  original",
        "Seven Samurai  1954    207.0  七人の侍",
        "Alien          1979           x\\ny",
        "Amélie                   1.5",
    ]
    assert table(["a"], []) == ["a"]
    assert table([], []) == [""]


def test_table_is_cut() -> None:
    rows = [["x" * 40, "y" * 30, 1]]
    [head, line] = table(["a", "b", "n"], rows, width_max=40)
    assert line == "x" * 16 + "…  " + "y" * 16 + "…  1"  # the widest give first
    assert head == "a                  b                  n"
    narrow = table(["a", "b", "n"], rows, width_max=5)[1]
    assert narrow == "xxxxxxx…  yyyyyyy…  1"  # too narrow to read is of no use


def test_colours() -> None:
    style = Style(True)
    assert style("red", "x") == "\x1b[31mx\x1b[0m"
    assert style("red", "") == ""
    assert Style()("red", "x") == "x"
    lines = table(["a", "b"], [["x", 10]], style=style, colours={"a": "dim"})
    assert lines == ["\x1b[1ma\x1b[0m  \x1b[1m b\x1b[0m", "\x1b[2mx\x1b[0m  10"]


@pytest.mark.parametrize(
    ("stream", "environment", "enabled"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_when_there_are_colours(stream: io.StringIO, environment: dict[str, str], enabled: bool) -> None:
    assert style_for(stream, environment).enabled is enabled


def test_the_width_of_what_is_no_terminal() -> None:
    assert terminal_width(io.StringIO()) is None
    assert terminal_width(io.StringIO(), 80) == 80
    assert (terminal_width(Terminal()) or 0) > 0


@pytest.mark.parametrize(
    ("ago_seconds", "text"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
        (86400 * 65, "2 months ago"),
        (86400 * 800, "2 years ago"),
        (-300, "in 5 minutes"),
    ],
)
def test_relative_time(ago_seconds: int, text: str) -> None:
    now = 1_800_000_000_000
    assert relative_time(now - ago_seconds * 1000, now) == text


def test_amounts() -> None:
    assert [duration_text(s) for s in (0, 7, 750, 10805)] == ["0:00", "0:07", "12:30", "3:00:05"]
    assert [binary_text(n) for n in (512, 1536, 100 << 20, 3 << 30, 7 << 40)] == [
        *("512 B", "1.5 KiB", "100 MiB", "3 GiB", "7,168 GiB")
    ]
    assert [bytes_text(n) for n in (512, 1500, 2.5e6, 7e12)] == ["512 B", "1.5 kB", "2.5 MB", "7000.0 GB"]
    assert [pad("七", 4), pad("七", 4, right=True), pad("abc", 2)] == ["七  ", "  七", "abc"]


def test_progress() -> None:
    now = [0.0]
    stream = Terminal()
    with ProgressBar("importing a\x1b.csv", stream, clock=lambda: now[0]) as bar:
        bar(0, 100_000_000)
        now[0] = 0.05
        bar(1_000_000, 100_000_000)  # too soon to be seen
        now[0] = 10.0
        bar(25_000_000, 100_000_000)
        assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\r\x1b[K")
    assert "\x1b." not in stream.getvalue()
    assert bar.line(25_000_000, 100_000_000, 10.0) == (
        "importing a\\x1b.csv  ██████░░░░░░░░░░░░░░░░░░   25%  2.5 MB/s  0:30 left"
    )
    assert bar.line(5_000_000, 0, 10.0) == "importing a\\x1b.csv  5.0 MB  500.0 kB/s"
    assert bar.line(0, 0, 0.0) == "importing a\\x1b.csv  0 B"


def test_no_progress_without_a_terminal() -> None:
    stream = io.StringIO()
    with ProgressBar("importing", stream) as bar:
        bar(1, 2)
    assert stream.getvalue() == ""


@given(st.text(), st.integers(0, 20))
def test_laws_of_text(text: str, cells: int) -> None:
    shown = safe(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert safe(shown) == shown
    assert width(fit(shown, cells)) <= cells
    shown.encode()
    if width(shown) <= cells:
        assert fit(shown, cells) == shown
        assert width(pad(shown, cells)) == cells


@given(
    st.lists(st.lists(st.one_of(st.text(max_size=30), st.integers(), st.none()), min_size=3, max_size=3), max_size=5),
    st.integers(30, 60),
)
def test_a_table_keeps_to_its_width(rows: list[list[object]], width_max: int) -> None:
    lines = table(["a", "b", "c"], rows, width_max=width_max)
    assert len(lines) == len(rows) + 1
    assert all(width(line) <= width_max and "\n" not in line for line in lines)

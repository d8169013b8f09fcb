"""What all benchmarks share: the page of results, and processes that are given a limit."""

from __future__ import annotations

import sys

import pytest
from bench.__main__ import NAMES, RESULTS
from bench.process import PROCESS, LeftOut, Limit, command
from bench.report import MustBe, Section, page, sections_of

SECTIONS = {"one": "Measured.\n\nWhat.\n\n| a |\n| --- |", "two": "Measured.\n\nMore."}


def test_a_page_is_taken_apart_as_it_was_put_together() -> None:
    assert sections_of(page(SECTIONS)) == SECTIONS


def test_a_section_that_is_measured_again_leaves_the_others_as_they_are() -> None:
    again = page({**sections_of(page(SECTIONS)), "two": "Other."})
    assert sections_of(again) == {"one": SECTIONS["one"], "two": "Other."}


def test_the_page_of_results_is_one() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    assert page(sections_of(text)) == text
    assert set(sections_of(text)) <= set(NAMES)


def test_a_section_says_whether_a_line_is_met() -> None:
    section = Section("name", "What.", [MustBe("fast", False, "slow")], ["| a |"])
    assert section.text("Where.") == "Where.\n\nWhat.\n\nMust be:\n\n- **missed**: fast. Measured: slow.\n\n| a |"


ROOMY = Limit(seconds=60, bytes=1 << 40)


@pytest.mark.parametrize(
    ("program", "limit", "reason"),
    [
        ("import time; time.sleep(60)", Limit(seconds=0.2, bytes=1 << 40), "did not end"),
        ("import time; held = b'held' * (75 << 20); time.sleep(60)", Limit(seconds=60, bytes=100 << 20), "held more"),
        ("raise SystemExit(3)", ROOMY, "failed"),
    ],
)
def test_what_goes_beyond_its_limit_is_left_out(program: str, limit: Limit, reason: str) -> None:
    if reason == "held more" and sys.platform != "linux":
        pytest.skip("only Linux says what another process holds")
    with pytest.raises(LeftOut, match=reason):
        command(sys.executable, "-c", program, limit=limit)


def test_what_stays_within_its_limit_is_a_run_like_any_other() -> None:
    run = command(sys.executable, "-c", "print(1)", limit=ROOMY)
    assert run.answer == "1\n"
    assert run.times[PROCESS][0].wall > 0

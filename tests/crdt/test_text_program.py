"""The program of texts: vectors, hostile facts, random histories against the plain reference, and broken variants."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_library import answer, by_engine, by_evaluator
from text_reference import MOST, chain, characters

from rhizomedb.crdt.library import LIBRARY
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import plain

D, OTHER = b"a text", b"another"


def put(value, *causes, entity=D):
    return Fact(entity, "text/insert", value, [cause.cid for cause in causes])


def take(value, *causes, entity=D):
    return Fact(entity, "text/delete", value, [cause.cid for cause in causes])


def shown(facts, entity=D):
    found = chain(answer("text", facts), entity)
    assert found == characters(facts, entity)
    return "".join(character for _, _, character in found)


HELLO = put("0.1.ssssssss:hello")


TEXTS = [
    ([], ""),
    ([HELLO], "hello"),
    ([HELLO, put("1.1.ssssssss:EY", HELLO)], "heEYllo"),
    ([HELLO, put("4.1.ssssssss: there", HELLO)], "hello there"),
    ([HELLO, put("0.2.ssssssss:oh, ")], "oh, hello"),
    ([HELLO, put("0.1.aaaaaaaa:after"), put("0.1.zzzzzzzz:before")], "beforehelloafter"),
    ([HELLO, put("4.1.aaaaaaaa:1", HELLO), put("4.2.aaaaaaaa:2", HELLO), put("4.1.bbbbbbbb:3", HELLO)], "hello231"),
    ([HELLO, put("0.1.zzzzzzzz:é.:\n✓"), take("1.3", HELLO)], "é.:\n✓ho"),
    ([HELLO, take("0.2", HELLO), take("1.2", HELLO), take("1.2", HELLO)], "lo"),
    ([HELLO, take("2.9223372036854775807", HELLO)], "he"),
    ([HELLO, take("0.5", HELLO), put("2.1.ssssssss:still here", HELLO)], "still here"),
    ([take("0.1", HELLO)], ""),
    ([put("1.1.ssssssss:EY", HELLO)], ""),
    ([put("0.1.s.12.s..:dots")], "dots"),
    ([put("1.1.ssssssss:EY", HELLO), take("0.1", put("1.1.ssssssss:EY", HELLO)), HELLO], "heYllo"),
    ([HELLO, put("4.2.ssssssss:A", HELLO), put("0.1.ssssssss:B", put("4.2.ssssssss:A", HELLO)), put("4.1.ssssssss:C", HELLO)], "helloABC"),
    ([HELLO, put("1.1.ssssssss:1", HELLO), put("1.2.ssssssss:2", HELLO)], "he21llo"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "text"), TEXTS)
def test_texts(facts, text):
    assert shown(facts) == text
    assert shown(facts[::-1]) == text


def test_d5_sequence():
    """Kleppmann's example tree; the counter is the number, and where elements are deleted the others stand as they did."""
    runs = {0: None}
    for number, parent in {1: 0, 2: 0, 3: 2, 4: 1, 5: 2, 6: 2}.items():
        runs[number] = put(f"0.{number}.ssssssss:{number}", *([runs[parent]] if parent else []))
    facts = [runs[number] for number in range(1, 7)]
    assert shown(facts) == "265314"
    assert shown([*facts, take("0.1", runs[2]), take("0.1", runs[5])]) == "6314"
    assert shown([*facts, *(take("0.1", each) for each in facts)]) == ""


FIRST = put("0.1.ssssssss:ab")


MALFORMED = [
    put("0.1.ssssssss:"), put("0.1.ssssssss"), put(""), put(":x"), put("0.1:x"), put("0.1.sssssss:x"), put("0.1.sssssssss:x"),
    put("00.1.ssssssss:x"), put("0.01.ssssssss:x"), put("+0.1.ssssssss:x"), put(" 0.1.ssssssss:x"), put("0.1 .ssssssss:x"),
    put("0.0.ssssssss:x"), put("0.-1.ssssssss:x"), put("0.1e0.ssssssss:x"), put("٠.1.ssssssss:x"), put("-1.1.ssssssss:x", FIRST),
    put("0.9223372036854775808.ssssssss:x"), put("9223372036854775808.1.ssssssss:x"),
    put("1.1.ssssssss:x"), put("2.1.ssssssss:x", FIRST), put("-0.1.ssssssss:x", FIRST), put(1), put(True), put(1.5), put(b"0.1.ssssssss:x"),
    put(FIRST.cid, FIRST), put("0.1.ssssssss:x", FIRST, HELLO), put("0.1.ssssssss:x", FIRST, entity=OTHER),
    put("0.1.ssssssss:x", Fact(D, "name", "no run")), put("0.1.ssssssss:x", take("0.1", FIRST)), put("0.1.ssssssss:x", HELLO, put("")),
    take("0.1"), take("0.0", FIRST), take("-1.2", FIRST), take("0.-1", FIRST), take("01.1", FIRST), take("0.1.1", FIRST), take("0", FIRST),
    take("", FIRST), take(" 0.1", FIRST), take("0.1", FIRST, HELLO), take("0.1", FIRST, entity=OTHER), take(1, FIRST),
    take("0.9223372036854775808", FIRST), take("2.1", FIRST), take("0.1", take("0.1", FIRST)),
]  # fmt: skip


@pytest.mark.parametrize("fact", MALFORMED)
def test_what_is_malformed_is_nowhere(fact):
    assert shown([FIRST, fact]) == "ab"
    # nor is anything that stands behind it
    below = Fact(fact.entity, "text/insert", "0.1.ssssssss:below", [fact.cid])
    assert shown([FIRST, fact, below, take("0.1", fact), take("0.1", FIRST)]) == "b"


def test_t1_t2_two_people_type_the_same_letter_at_the_same_place():
    mine, yours = put("4.1.annannan:!", HELLO), put("4.1.benbenbe:!", HELLO)
    assert shown([HELLO, mine, yours]) == "hello!!"
    assert shown([HELLO, mine, yours, take("0.1", mine)]) == "hello!"


def test_t5_t7_a_counter_without_bound_spoils_one_place_only():
    forged = put(f"4.{MOST}.zzzzzzzz:FORGED", HELLO)
    after = put(f"4.{MOST}.ssssssss:mine", HELLO)
    assert shown([HELLO, forged, after, put("1.1.ssssssss:EY", HELLO)]) == "heEYlloFORGEDmine"


def test_two_texts_beside_each_other():
    facts = [HELLO, put("0.1.ssssssss:other", entity=OTHER)]
    rows = answer("text", facts)
    assert [chain({row for row in rows if row[0] == entity or row[0] in {each.cid for each in facts if each.entity == entity}},
            entity) for entity in (D, OTHER)] == [characters(facts, entity) for entity in (D, OTHER)]  # fmt: skip


@st.composite
def histories(draw, most=8):
    """Runs and deletions at random: of few numbers, so that siblings tie; most of them well formed."""
    facts = []
    for _ in range(draw(st.integers(0, most))):
        causes = draw(st.lists(st.sampled_from(facts), max_size=2)) if facts and draw(st.integers(0, 4)) else []
        offset, counter = draw(st.integers(0, 2)), draw(st.sampled_from([1, 1, 1, 2, 2, 0, MOST]))
        session = draw(st.sampled_from(["aaaaaaaa", "bbbbbbbb", "bbbbbbb"]))
        run = draw(st.sampled_from(["x", "yz", "abc", ""]))
        if draw(st.integers(0, 3)):
            facts.append(
                put(
                    f"{offset if causes else offset // 2}.{counter}.{session}:{run}", *causes[: draw(st.integers(1, 2))]
                )
            )
        else:
            facts.append(take(f"{offset}.{counter}", *causes[:1]))
    return list({each.cid: each for each in facts}.values())


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_random_texts(facts, chance):
    expected = characters(facts, D)
    rows = {tuple(map(plain, row)) for row in by_engine("text", facts)}
    assert chain(rows, D) == expected
    hidden = chance.sample(facts, len(facts) // 3)
    rest = [each for each in facts if each not in hidden]
    chance.shuffle(rest)
    assert chain({tuple(map(plain, row)) for row in by_engine("text", rest)}, D) == characters(rest, D)


@given(histories())
@settings(max_examples=40)
def test_the_plain_evaluator_says_the_same(facts):
    assert by_evaluator("text", facts) == by_engine("text", facts)


# What is broken on purpose must be caught by the tables above: else they would catch nothing.
BROKEN = [
    ("N > M.", "N < M."), ("S > T.", "S < T."), ("X > Y.", "X < Y."), ("A - S < N.", "A - S <= N."), ("A >= S,", "A > S,"),
    (", N == 1.", "."),
    ("slice(H, length(H) - 8)", "split_part(H, \".\", 3)"), ("text(greatest(N, 1)), \".\", S)", "text(N), \".\", S)"),
    ("text(greatest(S, 0))", "text(S)"),
    ("!has_down(run: C, at: A).", "place(run: C, at: A)."), ("!has_sibling(run: X), ", ""),
    (", !named(by: C).", "."), ("H == concat(text(O), \".\", text(greatest(N, 1)), \".\", S), ", ""), ("place(run: R, text: D, at: A), A", "place(run: R, at: A), A"),
    ("offset: O), place(run: P, text: D, at: O)", "offset: O), place(run: P, at: O)"), (', K != "".', "."),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_a_broken_program_is_caught(old, new, monkeypatch):
    of = LIBRARY["text"]
    assert of.program.count(old) == 1
    monkeypatch.setitem(LIBRARY, "text", type(of)(of.name, of.summary, of.program.replace(old, new), of.answer))
    cases = [*(facts for facts, _ in TEXTS), *([HELLO, FIRST, each] for each in MALFORMED)]

    def is_caught(facts):
        try:
            rows = {tuple(map(plain, row)) for row in by_engine("text", facts)}
            return any(chain(rows, entity) != characters(facts, entity) for entity in (D, OTHER))
        except AssertionError:
            return True

    assert any(map(is_caught, cases))

"""Lenses as rules: how a version is read, as a PomoLogic program over what is said.

`read` has what the version shows, in the columns of `stands`, and `lost` what it does not show of others, with a `why`. The
program reads `base`: by default `claimed`, which is what stands, and what hyperedges that are not taken back say of the things at
which they show up, in the role of the context's name. Each node of the tree of versions is a
relation, so the program is stratified, however the lenses lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rhizomedb.errors import RequestError
from rhizomedb.hyper.lens import (
    Add,
    Convert,
    Head,
    Hoist,
    Join,
    Lens,
    Node,
    Reading,
    Remove,
    Rename,
    Sink,
    Split,
    Step,
    Wrap,
    gives,
    takes,
)
from rhizomedb.hyper.lens_plain import GONE, LIST, NO_TEXT, TABLE
from rhizomedb.hyper.negation import BY_ANYBODY
from rhizomedb.logic.syntax import show_value
from rhizomedb.logic.tokens import TEXT_BYTES_MAX

BASE, READ, LOST = "claimed", "read", "lost"
"""The relation that is read, and the two that answer."""

CLAIMED: Final = f"""\
// what is said: by facts that stand, and by hyperedges in the role of the name under which they show up
claimed(entity: E, attribute: P, value: V, fact: F, delta: D, author: A, time: T, counter: N) :-
    stands(entity: E, attribute: P, value: V, fact: F, delta: D, author: A, time: T, counter: N).
claimed(entity: E, attribute: P, value: V, fact: G, delta: D, author: A, time: T, counter: N) :-
    F := fact(entity: E, attribute: P, value: X), asserts(delta: D, fact: F),
    delta(id: D, edge: X, author: A, time: T, counter: N), !negated(edge: X),
    G := fact(entity: X, attribute: P, value: V), asserts(delta: D, fact: G), V != E, V != X.
{BY_ANYBODY}"""
"""The rules of `claimed`."""

COLUMNS: Final = ("entity", "attribute", "value", "fact", "delta", "author", "time", "counter")
"""The columns of a claim."""

_BY: Final = "fact: F, delta: D, author: A, time: T, counter: N"


def program_of(reading: Reading, base: str = BASE) -> str:
    """The program of a version."""
    said = [f"// {reading.root.version}, read from {', '.join(reading.versions)}\n"]
    ahead = {child: step for node in reading.nodes for child, step, _ in node.sources}
    for node in reading.nodes:
        said += _node(node, base, _needed(node, ahead.get(node.number)))
    passed = "".join(f", P != {show_value(name)}" for name in sorted(reading.named))
    rest = f"value: V, {_BY}"
    said.append(f"{READ}(entity: E, attribute: P, {rest}) :- at_0(entity: E, attribute: P, {rest}).\n")
    said.append(f"{READ}(entity: E, attribute: P, {rest}) :- {base}(entity: E, attribute: P, {rest}){passed}.\n")
    for thing, inner, path in reading.paths:
        shown = show_value(path)
        said.append(
            f"{READ}(entity: E, attribute: {shown}, {rest}) :- at_0(entity: E, attribute: {show_value(thing)}, value: X),"
            f" {base}(entity: X, attribute: {show_value(inner)}, {rest}).\n"
        )
    said.append(_lost(0, "", "V != V", "nothing"))  # the relation has a rule, whatever the steps are
    program = "".join(said)
    if len(program.encode()) > TEXT_BYTES_MAX:
        raise RequestError(
            "hyper.lens",
            f"the lenses that lead to {reading.root.version!r:.60} are too many: their program has more than "
            f"{TEXT_BYTES_MAX:,} bytes",
            fix="fewer steps between versions, or lenses of some authors only: trusted=[…]",
        )
    return program


def _needed(node: Node, ahead: Step | None) -> list[str]:
    """What has to be read at a node itself: what passes on is read at the next one anyhow."""
    if ahead is None:
        return sorted(node.names)
    needed = set(takes(ahead))
    needed.update(step.property for _, step, _ in node.sources if isinstance(step, Add))
    if isinstance(ahead, Add):
        needed.add(ahead.beside)
    return sorted(node.names & needed)


def _node(node: Node, base: str, names: Iterable[str]) -> Iterator[str]:
    n, rest = node.number, f"value: V, {_BY}"
    if node.version is not None:
        yield f"\n// {' '.join(node.version.split())}\n"
    for name in names:
        own = f"entity: E, attribute: {show_value(name)}, {rest}"
        yield f"said_{n}({own}) :- {base}({own}).\n"
    for child, step, _ in node.sources:
        touched = "".join(f", P != {show_value(name)}" for name in sorted({*takes(step), *gives(step)}))
        yield f"said_{n}(entity: E, attribute: P, {rest}) :- at_{child}(entity: E, attribute: P, {rest}){touched}.\n"
        yield from _step(n, child, step, base)
    if not names and not node.sources:  # what was said behind it passes, and that is nothing
        yield f"said_{n}(entity: E, attribute: P, {rest}) :- {base}(entity: E, attribute: P, {rest}), P != P.\n"
    yield f"at_{n}(entity: E, attribute: P, {rest}) :- said_{n}(entity: E, attribute: P, {rest}).\n"
    for child, step, lens in node.sources:
        if isinstance(step, Add):
            yield _default(n, child, step, lens)


def _default(n: int, child: int, step: Add, lens: Lens) -> str:
    assert lens.delta is not None, "a lens that is read is said by somebody"
    said, author = show_value(lens.delta), show_value(lens.author)
    name = show_value(step.property)
    return (
        f"at_{n}(entity: E, attribute: {name}, value: {show_value(step.value)}, fact: {said}, delta: {said}, "
        f"author: {author}, time: 0, counter: 0) :-\n"
        f"    at_{child}(entity: E, attribute: {show_value(step.beside)}), !said_{n}(entity: E, attribute: {name}).\n"
    )


def _step(n: int, child: int, step: Step, base: str) -> Iterator[str]:
    match step:
        case Rename(old, new) | Wrap(old, new):
            yield _moved(n, child, old, new)
        case Sink(old):
            yield _moved(n, child, old, step.path)
        case Head(many, one):
            yield from _head(n, child, many, one)
        case Remove(property):
            yield _lost(child, property, "", GONE)
        case Convert(old, new):
            for before, after in step.values:
                yield (
                    f"said_{n}(entity: E, attribute: {show_value(new)}, value: {show_value(after)}, {_BY}) :-\n"
                    f"    at_{child}(entity: E, attribute: {show_value(old)}, value: {show_value(before)}, {_BY}).\n"
                )
            yield _lost(child, old, ", ".join(f"V != {show_value(before)}" for before, _ in step.values), TABLE)
        case Split(whole, parts, by):
            yield from _split(n, child, whole, parts, by)
        case Join(parts, whole, by):
            yield from _join(n, child, parts, whole, by)
        case Hoist(thing, inner, new):
            yield _moved(n, child, step.path, new)
            yield (
                f"said_{n}(entity: E, attribute: {show_value(new)}, value: V, {_BY}) :-\n"
                f"    at_{child}(entity: E, attribute: {show_value(thing)}, value: X),"
                f" {base}(entity: X, attribute: {show_value(inner)}, value: V, {_BY}).\n"
            )


def _moved(n: int, child: int, old: str, new: str) -> str:
    return (
        f"said_{n}(entity: E, attribute: {show_value(new)}, value: V, {_BY}) :- "
        f"at_{child}(entity: E, attribute: {show_value(old)}, value: V, {_BY}).\n"
    )


def _lost(child: int, name: str, when: str, why: str) -> str:
    return (
        f"{LOST}(entity: E, attribute: {show_value(name)}, value: V, {_BY}, why: {show_value(why)}) :- "
        f"at_{child}(entity: E, attribute: {show_value(name)}, value: V, {_BY})"
        f"{', ' if when else ''}{when}.\n"
    )


def _head(n: int, child: int, many: str, one: str) -> Iterator[str]:
    """What was claimed first: by time, then its counter, then the fact."""
    of, name = f"at_{child}(entity: E, attribute: {show_value(many)}", f"head_{n}_{child}"
    yield f"{name}_time(entity: E, time: M) :- {of}), M := min T : {of}, time: T).\n"
    yield (
        f"{name}_counter(entity: E, time: M, counter: K) :- {name}_time(entity: E, time: M), "
        f"K := min N : {of}, time: M, counter: N).\n"
    )
    yield (
        f"{name}_fact(entity: E, time: M, counter: K, fact: X) :- {name}_counter(entity: E, time: M, counter: K), "
        f"X := min F : {of}, time: M, counter: K, fact: F).\n"
    )
    yield (
        f"{name}(entity: E, value: V) :- {name}_fact(entity: E, time: M, counter: K, fact: X), "
        f"{of}, value: V, fact: X, time: M, counter: K).\n"
    )
    yield (
        f"said_{n}(entity: E, attribute: {show_value(one)}, value: V, {_BY}) :- "
        f"{name}(entity: E, value: V), {of}, value: V, {_BY}).\n"
    )
    yield _lost(child, many, f"!{name}(entity: E, value: V)", LIST)


def _split(n: int, child: int, whole: str, parts: tuple[str, ...], by: str) -> Iterator[str]:
    body = f'at_{child}(entity: E, attribute: {show_value(whole)}, value: V, {_BY}), kind(V) == "text"'
    begin, before = "0", ""
    for place, part in enumerate(parts, 1):
        piece = f"split_part(V, {show_value(by)}, {place})"
        # The last part is all that is left, where there is as much as one more.
        bind = f"X := {piece}" if place < len(parts) else f"{before}Y{place} := {piece}, X := slice(V, {begin})"
        yield f"said_{n}(entity: E, attribute: {show_value(part)}, value: X, {_BY}) :-\n    {body}, {bind}.\n"
        before += f"Y{place} := {piece}, "
        begin += f" + length(Y{place}) + {len(by)}"
    yield _lost(child, whole, 'kind(V) != "text"', NO_TEXT)


def _join(n: int, child: int, parts: tuple[str, ...], whole: str, by: str) -> Iterator[str]:
    """One part after the other; of what two say, whoever said the later says both."""
    name = f"join_{n}_{child}"
    rest = f"value: V, {_BY}"
    for place, part in enumerate(parts):
        text = f"{name}_text_{place}"
        yield (
            f"{text}(entity: E, {rest}) :- "
            f'at_{child}(entity: E, attribute: {show_value(part)}, {rest}), kind(V) == "text".\n'
        )
        yield _lost(child, part, 'kind(V) != "text"', NO_TEXT)
        if not place:
            yield f"{name}_0(entity: E, {rest}) :- {text}(entity: E, {rest}).\n"
            continue
        before, here = f"{name}_{place - 1}", f"{name}_{place}"
        one = "entity: E, value: V, fact: F, delta: D, author: A, time: T, counter: N"
        other = "entity: E, value: W, fact: G, delta: B, author: C, time: S, counter: M"
        bind = f"X := concat(V, {show_value(by)}, W)"
        mine = f"{here}(entity: E, value: X, {_BY})"
        theirs = f"{here}(entity: E, value: X, fact: G, delta: B, author: C, time: S, counter: M)"
        for head, when in (
            (mine, "T > S"),
            (mine, "T == S, N >= M"),
            (theirs, "S > T"),
            (theirs, "T == S, M > N"),
        ):
            yield f"{head} :- {before}({one}), {text}({other}), {when}, {bind}.\n"
        yield f"{here}(entity: E, {rest}) :- {before}(entity: E, {rest}), !{text}(entity: E).\n"
        yield f"{here}(entity: E, {rest}) :- {text}(entity: E, {rest}), !{before}(entity: E).\n"
    yield (
        f"said_{n}(entity: E, attribute: {show_value(whole)}, {rest}) :- {name}_{len(parts) - 1}(entity: E, {rest}).\n"
    )

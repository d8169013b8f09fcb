"""Strata: relations evaluated together, each after all it must see complete (PomoLogic 2.3; errata E13, E14).

Two relations share a stratum when each depends on the other. Inside one, a relation may be depended on only
positively: not through a negation, an aggregate, a CID binding or an optional atom. Inductive rules form the last
stratum, and what they need in the timestep before does not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError, ProgramErrors
from rhizomedb.logic.occurrences import Dependency, dependencies
from rhizomedb.logic.syntax import Program, Rule


@dataclass(frozen=True, slots=True)
class Stratum:
    """Relations that are evaluated together, their rules, and whether they depend on themselves or one another."""

    relations: tuple[str, ...]
    rules: tuple[Rule, ...]
    recursive: bool = False

    @property
    def inductive(self) -> bool:
        """Whether this is the last stratum, whose rules say what holds at the next timestep."""
        return bool(self.rules) and self.rules[0].inductive


def stratify(program: Program) -> tuple[Stratum, ...]:
    """The strata of a program, dependencies first; raises `logic.not-stratifiable` with every cycle there is.

    >>> from rhizomedb.logic.parse import parse
    >>> text = "no(x: X) :- all(x: X), !yes(x: X). yes(x: X) :- some(x: X). yes(x: X) :- yes(x: Y), next(x: Y, y: X)."
    >>> [(stratum.relations, stratum.recursive) for stratum in stratify(parse(text))]
    [(('yes',), True), (('no',), False)]
    """
    errors = list(unstratifiable(program))
    if errors:
        raise errors[0] if len(errors) == 1 else ProgramErrors(errors)
    edges = _edges(program)
    deductive: dict[str, list[Rule]] = {relation: [] for relation in edges}
    for rule in program.rules:
        if not rule.inductive:
            deductive[rule.head.relation].append(rule)
    strata: list[Stratum] = []
    for component in components({head: [edge.relation for edge in found] for head, found in edges.items()}):
        rules = tuple(rule for relation in component for rule in deductive[relation])
        recursive = any(edge.relation in component for relation in component for edge in edges[relation])
        strata.append(Stratum(component, rules, recursive))
    inductive = tuple(rule for rule in program.rules if rule.inductive)
    if inductive:
        strata.append(Stratum(tuple(dict.fromkeys(rule.head.relation for rule in inductive)), inductive))
    return tuple(strata)


def _edges(program: Program) -> dict[str, list[Dependency]]:
    """For each relation with a deductive rule, what it depends on among them."""
    edges: dict[str, list[Dependency]] = {rule.head.relation: [] for rule in program.rules if not rule.inductive}
    for rule in program.rules:
        if not rule.inductive:
            edges[rule.head.relation] += (edge for edge in dependencies(rule) if edge.relation in edges)
    return edges


def components(graph: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """The strongly connected components of a graph, what a node points at before it (Tarjan 1972, without recursion).

    Members stand in the graph's order; equal graphs give equal lists.

    >>> components({"a": ["b"], "b": ["c", "b"], "c": ["b"]})
    [('b', 'c'), ('a',)]
    """
    place = {node: index for index, node in enumerate(graph)}
    found: dict[str, int] = {}  # when each node was first seen
    low: dict[str, int] = {}  # the earliest node on the stack that it reaches
    stack: list[str] = []
    on_stack: set[str] = set()
    result: list[tuple[str, ...]] = []
    for root in graph:
        if root in found:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(graph[root]))]
        found[root] = low[root] = len(found)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in found:
                    found[successor] = low[successor] = len(found)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(graph[successor])))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], found[successor])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == found[node]:
                    cut = stack.index(node) if stack[-1] != node else len(stack) - 1
                    members = stack[cut:]
                    del stack[cut:]
                    on_stack.difference_update(members)
                    result.append(tuple(sorted(members, key=place.__getitem__)))
    return result


def unstratifiable(program: Program, cids: bool = True) -> Iterator[ProgramError]:
    """For each component that depends on its own absence, aggregate or (if `cids`) CID: the first such cycle."""
    edges = _edges(program)
    for component in components({head: [edge.relation for edge in found] for head, found in edges.items()}):
        members = set(component)
        for edge in (edge for relation in component for edge in edges[relation]):
            if edge.how and edge.relation in members and (cids or edge.how != "cid"):
                yield _cycle_error(program, [edge, *_path(edges, members, edge.relation, edge.head)])
                break


def _path(edges: Mapping[str, list[Dependency]], members: set[str], start: str, end: str) -> list[Dependency]:
    """The fewest dependencies that lead from one member of a component to another."""
    came: dict[str, Dependency | None] = {start: None}
    waiting = deque([start])
    while end not in came:
        for edge in edges[waiting.popleft()]:
            if edge.relation in members and edge.relation not in came:
                came[edge.relation] = edge
                waiting.append(edge.relation)
    path: list[Dependency] = []
    step = came[end]
    while step is not None:
        path.append(step)
        step = came[step.head]
    return path[::-1]


def _cycle_error(program: Program, cycle: list[Dependency]) -> ProgramError:
    shown = " -> ".join([cycle[0].head, *map(str, cycle)])
    lines = sorted({edge.rule.span.line for edge in cycle if edge.rule.span})
    places = f" (rules in line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))})" if lines else ""
    reason = {"not": "its own absence", "cid": "CIDs of its own tuples", "optional": "whether it has a match itself"}
    what = reason.get(cycle[0].how, f"its own {cycle[0].how}")
    return ProgramError(
        "logic.not-stratifiable",
        f"`{cycle[0].head}` depends on {what}: {shown}{places}",
        where=cycle[0].atom.span,
        fix=f"give what `{cycle[0].relation}` needs a relation of its own, which does not use `{cycle[0].head}`",
        source=program.source,
    )

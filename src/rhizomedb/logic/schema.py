"""The relations of a program and their attributes: stored, declared, derived, or given with the call.

A declared relation has the attributes of its declaration; a derived one those that its heads give, which must agree;
a relation given as plain rows has them in the order in which the text first names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError, Span, nearest_names
from rhizomedb.logic.occurrences import atoms
from rhizomedb.logic.syntax import TYPES, Atom, Declaration, Program, Rule, show_name
from rhizomedb.logic.tokens import attribute_span


@dataclass(frozen=True, slots=True)
class Schema:
    """Every relation that a program may use: attributes in order, declared types, and where it comes from."""

    attributes: Mapping[str, tuple[str, ...]]
    types: Mapping[str, Mapping[str, str]]
    stored: frozenset[str]
    derived: frozenset[str]
    events: frozenset[str]

    def type_of(self, relation: str, attribute: str) -> str:
        """The declared type of an attribute; `any` where nothing says more."""
        return self.types.get(relation, {}).get(attribute, "any")


def schema_of(
    program: Program,
    stored: Mapping[str, tuple[str, ...]],
    types: Mapping[str, Mapping[str, str]] | None = None,
) -> Schema:
    """The relations of a program over stored ones; where the text contradicts itself, the reading that fits best."""
    attributes: dict[str, tuple[str, ...]] = dict(stored)
    kinds: dict[str, dict[str, str]] = {relation: dict(given) for relation, given in (types or {}).items()}
    for declaration in program.declarations:
        attributes.setdefault(declaration.relation, tuple(dict.fromkeys(name for name, _ in declaration.attributes)))
        for name, kind in declaration.attributes:
            if kind in TYPES:
                kinds.setdefault(declaration.relation, {}).setdefault(name, kind)
    known = set(attributes)
    for rule in program.rules:
        relation = rule.head.relation
        if relation not in known:
            names = (name for name, _ in rule.head.arguments)
            attributes[relation] = tuple(dict.fromkeys((*attributes.get(relation, ()), *names)))
    return Schema(
        attributes,
        kinds,
        frozenset(stored),
        frozenset(rule.head.relation for rule in program.rules),
        frozenset(declaration.relation for declaration in program.declarations if declaration.event),
    )


def columns(program: Program, given: Mapping[str, int | None]) -> dict[str, tuple[str, ...]]:
    """The attribute order of relations that are given as plain rows of so many values (`None`: no rows to tell).

    As declared, or else in the order in which the text first names each attribute. A relation that the program does
    not mention gets numbered attributes.

    >>> from rhizomedb.logic.parse import parse
    >>> columns(parse("two(x: X, z: Z) :- edge(from: X, to: Y), edge(from: Y, to: Z)."), {"edge": 2})
    {'edge': ('from', 'to')}
    """
    declared = {
        declaration.relation: tuple(name for name, _ in declaration.attributes) for declaration in program.declarations
    }
    named: dict[str, dict[str, None]] = {}
    first: dict[str, Atom] = {}
    for rule in program.rules:
        for atom in atoms(rule):
            named.setdefault(atom.relation, {}).update(dict.fromkeys(name for name, _ in atom.arguments))
            first.setdefault(atom.relation, atom)
    result: dict[str, tuple[str, ...]] = {}
    for relation, arity in given.items():
        names = declared.get(relation) or tuple(named.get(relation, ()))
        if relation not in declared and relation not in named:
            names = tuple(f"column{place}" for place in range(1, (arity or 0) + 1))
        elif arity is not None and len(names) != arity:
            raise _wrong_arity(program, relation, names, arity, first.get(relation))
        result[relation] = names
    return result


def _wrong_arity(
    program: Program, relation: str, names: tuple[str, ...], arity: int, atom: Atom | None
) -> ProgramError:
    shown = ", ".join(map(show_name, names)) or "none"
    wanted = [
        show_name(names[place]) if place < len(names) else f"other{place + 1 - len(names)}" for place in range(arity)
    ]
    return ProgramError(
        "logic.columns",
        f"the rows of `{relation}` have {arity} values, the program names {len(names)} attributes ({shown})",
        where=atom.span if atom else None,
        fix=f"relation {show_name(relation)}({', '.join(wanted)}).",
        source=program.source,
    )


# What is wrong with a program's relations and attributes


def bad_declarations(program: Program, schema: Schema, stored: Mapping[str, tuple[str, ...]]) -> Iterator[ProgramError]:
    """Relations declared twice, or otherwise than they are stored; types and attributes that cannot be."""
    seen: set[str] = set()
    for declaration in program.declarations:
        relation, names = declaration.relation, [name for name, _ in declaration.attributes]
        where = declaration.span
        if relation in seen:
            message = f"`{relation}` is declared twice"
            yield ProgramError("logic.redeclared", message, where=where, fix="leave one declaration out")
        seen.add(relation)
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            message = f"`{relation}` is declared with `{name}` twice"
            yield ProgramError("logic.duplicate-attribute", message, where=where, fix="leave one of them out")
        if relation in stored and set(stored[relation]) != set(names):
            message = f"`{relation}` is stored with other attributes: {', '.join(stored[relation])}"
            fix = f"relation {show_name(relation)}({', '.join(map(show_name, stored[relation]))})."
            yield ProgramError("logic.attribute-conflict", message, where=where, fix=fix)
        for name, kind in declaration.attributes:
            if kind not in TYPES:
                message = f"`{kind}`, the type of `{name}`, is not one of {', '.join(TYPES)}"
                yield ProgramError(
                    "logic.unknown-type", message, where=where, nearest=nearest_names(kind, TYPES), fix=f"{name}: any"
                )


def bad_heads(program: Program, schema: Schema) -> Iterator[ProgramError]:
    """Heads of stored or event relations, and heads of one relation that do not give the same attributes."""
    declared = {declaration.relation: declaration for declaration in program.declarations}
    fullest: dict[str, Rule] = {}
    for rule in program.rules:
        known = fullest.setdefault(rule.head.relation, rule)
        if len(rule.head.arguments) > len(known.head.arguments):
            fullest[rule.head.relation] = rule
    for rule in program.rules:
        relation = rule.head.relation
        if relation in schema.stored or relation in schema.events:
            what = "stored" if relation in schema.stored else "an event relation, whose facts come from outside"
            yield ProgramError(
                "logic.head-is-stored",
                f"`{relation}` is {what}: no rule can add to it",
                where=name_span(rule.head),
                fix=f"a name of its own, such as `{relation}_derived`",
            )
        elif relation in declared:
            yield from _head_as_declared(rule, schema.attributes[relation])
        else:
            yield from _head_as_others(rule, fullest[relation])


def _head_as_declared(rule: Rule, attributes: tuple[str, ...]) -> Iterator[ProgramError]:
    given = {name for name, _ in rule.head.arguments}  # one that is not declared is reported with those of the body
    missing = [name for name in attributes if name not in given]
    if missing:
        yield _missing(rule, missing)


def _head_as_others(rule: Rule, fullest: Rule) -> Iterator[ProgramError]:
    given = [name for name, _ in rule.head.arguments]
    wanted = [name for name, _ in fullest.head.arguments]
    extra = [name for name in given if name not in wanted]
    missing = [name for name in wanted if name not in given]
    if extra:
        place = f" ({fullest.span})" if fullest.span else ""
        yield ProgramError(
            "logic.attribute-conflict",
            f"`{rule.head.relation}` has {', '.join(extra)} here but {', '.join(wanted)} in another head{place}",
            where=name_span(rule.head),
            nearest=nearest_names(extra[0], wanted),
            fix=f"{show_name(rule.head.relation)}({', '.join(f'{show_name(name)}: …' for name in wanted)})",
        )
    elif missing:
        yield _missing(rule, missing)


def _missing(rule: Rule, missing: list[str]) -> ProgramError:
    return ProgramError(
        "logic.missing-attribute",
        f"this head of `{rule.head.relation}` does not give {', '.join(f'`{name}`' for name in missing)}",
        where=name_span(rule.head),
        fix=", ".join(f"{show_name(name)}: …" for name in missing),
    )


def bad_atoms(program: Program, schema: Schema) -> Iterator[ProgramError]:
    """Relations that nothing defines, attributes that they do not have, and attributes named twice."""
    for rule in program.rules:
        for atom in atoms(rule):
            names = [name for name, _ in atom.arguments]
            for name in dict.fromkeys(name for name in names if names.count(name) > 1):
                message = f"`{name}` is named twice in one atom of `{atom.relation}`"
                where = attribute_span(program.source, atom, name, 2)
                fix = "one term here; a comparison such as X == Y beside the atom"
                yield ProgramError("logic.duplicate-attribute", message, where=where, fix=fix)
            if atom.relation not in schema.attributes:
                yield unknown_relation(atom.relation, schema, name_span(atom))
                continue
            known = schema.attributes[atom.relation]
            for name in dict.fromkeys(names):
                if name not in known:
                    yield _unknown_attribute(program, atom, name, known)


_OF_A_DATABASE: Final = frozenset({"fact", "cause", "asserts"})
_DEFINED_WHEN_READ: Final = ("stands", "arrives")
"""What a program over a database may read, and a schema has only once it does: a slip of the pen is told of them too."""


def unknown_relation(relation: str, schema: Schema, where: Span | None) -> ProgramError:
    """That no relation has this name, with those that look like it."""
    defined_when_read = _DEFINED_WHEN_READ if schema.attributes.keys() >= _OF_A_DATABASE else ()
    near = nearest_names(relation, [*schema.attributes, *defined_when_read])
    fix = near[0] if near else f"relation {show_name(relation)}(…)."
    message = f"there is no relation `{relation}`"
    return ProgramError("logic.unknown-relation", message, where=where, nearest=near, fix=fix)


def _unknown_attribute(program: Program, atom: Atom, name: str, known: tuple[str, ...]) -> ProgramError:
    shown = ", ".join(map(show_name, known)) or "none"
    return ProgramError(
        "logic.unknown-attribute",
        f"`{atom.relation}` has no attribute `{name}`; it has {shown}",
        where=attribute_span(program.source, atom, name),
        nearest=nearest_names(name, known),
        fix=example(atom.relation, known),
    )


def example(relation: str, attributes: tuple[str, ...]) -> str:
    """An atom that shows a relation's attributes: `edge(from: X, to: Y)`."""
    letters = "XYZUVWABCDEFGH"
    inner = (f"{show_name(name)}: {letters[place % len(letters)]}" for place, name in enumerate(attributes))
    return f"{show_name(relation)}({', '.join(inner)})"


def name_span(atom: Atom) -> Span | None:
    """Where the name of an atom's relation stands."""
    span = atom.span
    return None if span is None else Span(span.line, span.column, min(span.length, len(show_name(atom.relation))))


__all__ = [
    "Declaration",
    "Schema",
    "bad_atoms",
    "bad_declarations",
    "bad_heads",
    "columns",
    "schema_of",
    "unknown_relation",
]

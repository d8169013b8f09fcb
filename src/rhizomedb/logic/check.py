"""The check: everything that can be told from a program and its schema before it runs, all of it at once.

A program that passes has a meaning: every relation and attribute is known, every rule is range restricted, the whole
can be stratified (PomoLogic 1.1, 2.1–2.5). The order of rules, of predicates and of attributes makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from rhizomedb.errors import ProgramError, ProgramErrors, nearest_names
from rhizomedb.logic.aggregates import AGGREGATES, Aggregate
from rhizomedb.logic.builtins import FUNCTIONS, Function
from rhizomedb.logic.expressions import DEPTH_MAX, ERRORS_MAX
from rhizomedb.logic.kinds import ill_typed
from rhizomedb.logic.occurrences import atoms, depth, expressions, parts, program_parameters, variables
from rhizomedb.logic.safety import misplaced_defaults, misplaced_parameters, unsafe
from rhizomedb.logic.schema import (
    Schema,
    bad_atoms,
    bad_declarations,
    bad_heads,
    example,
    name_span,
    schema_of,
    unknown_relation,
)
from rhizomedb.logic.stratify import unstratifiable
from rhizomedb.logic.syntax import Aggregation, Call, Constant, Program, Rule, Selection, Variable
from rhizomedb.logic.temporal import restless

CONTENT_ADDRESSED = frozenset({"fact"})
"""The stored relations whose tuples have a CID."""


RULES_MAX = 4_000
"""The most rules of one program: what it costs to check one grows faster than its length."""

ATTRIBUTES_MAX = 1_000
"""The most attributes of one atom, for the same reason."""

WIDE = "one tuple for each value, with the name of the attribute as a column"


def check(
    program: Program,
    stored: Mapping[str, tuple[str, ...]],
    *,
    types: Mapping[str, Mapping[str, str]] | None = None,
    functions: Mapping[str, Function] = FUNCTIONS,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    content_addressed: frozenset[str] = CONTENT_ADDRESSED,
    parameters: Iterable[str] | None = None,
) -> list[ProgramError]:
    """Everything wrong with a program over stored relations, in the order of the text; an empty list if nothing is.

    `types` gives declared types of stored attributes, `parameters` the names to be given (`None`: not known yet).

    >>> from rhizomedb.logic.parse import parse
    >>> [error.code for error in check(parse("p(x: X) :- q(y: Y)."), {"q": ("y",)})]
    ['logic.unbound-variable']
    """
    if program.imports:
        each = program.imports[0]
        message = f"the program imports {each.name!r}, and nothing here says what that is"
        fix = "rhizomedb.check, query and evaluate look it up"
        return [ProgramError("logic.unknown-import", message, where=each.span, fix=fix, source=program.source)]
    if not program.rules:
        return [
            ProgramError("logic.empty-program", "the program has no rule", fix="p(x: X) :- …", source=program.source)
        ]
    if len(program.rules) > RULES_MAX:
        message = f"the program has {len(program.rules):,} rules, more than {RULES_MAX:,}"
        return [ProgramError("logic.text-size", message, fix="run it in parts", source=program.source)]
    whole = (atom for rule in program.rules for atom in atoms(rule))
    wide = next((atom for atom in whole if len(atom.arguments) > ATTRIBUTES_MAX), None)
    if wide is not None:
        message = f"an atom of `{wide.relation}` has {len(wide.arguments):,} attributes, more than {ATTRIBUTES_MAX:,}"
        return [ProgramError("logic.text-size", message, where=name_span(wide), fix=WIDE, source=program.source)]
    deep = [error for rule in program.rules for error in _too_deep(rule)]
    if deep:  # nothing else may follow such an expression
        return _in_order(deep, program)
    schema = schema_of(program, stored, types)
    errors = [
        *bad_declarations(program, schema, stored),
        *bad_heads(program, schema),
        *islice(bad_atoms(program, schema), ERRORS_MAX),  # each looks for the nearest names; they come in order
        *_bad_cids(program, schema, content_addressed),
        *unstratifiable(program, cids=False),
        *restless(program, schema),
    ]
    found = len(errors)
    for rule in program.rules:
        if len(errors) - found > ERRORS_MAX:
            break
        errors += unsafe(rule, _meant_as_atoms(rule, schema, functions))
        errors += misplaced_parameters(rule)
        errors += misplaced_defaults(rule)
        errors += _bad_calls(rule, schema, functions, aggregates)
        errors += ill_typed(rule, schema, functions, aggregates)
    if parameters is not None:
        errors += check_parameters(program, parameters)
    return _in_order(errors, program)


def checked(
    program: Program,
    stored: Mapping[str, tuple[str, ...]],
    *,
    types: Mapping[str, Mapping[str, str]] | None = None,
    functions: Mapping[str, Function] = FUNCTIONS,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    content_addressed: frozenset[str] = CONTENT_ADDRESSED,
    parameters: Iterable[str] | None = None,
) -> Program:
    """The program itself; raises `ProgramError`, or `ProgramErrors` if several things are wrong with it."""
    errors = check(
        program,
        stored,
        types=types,
        functions=functions,
        aggregates=aggregates,
        content_addressed=content_addressed,
        parameters=parameters,
    )
    if errors:
        raise errors[0] if len(errors) == 1 else ProgramErrors(errors)
    return program


def check_parameters(program: Program, given: Iterable[str]) -> list[ProgramError]:
    """The parameters that a program names and were not given, and those given that it does not name."""
    named, names = program_parameters(program), set(given)
    errors = [
        ProgramError(
            "logic.parameter-missing",
            f"the program names ${name}, but no value is given for it",
            where=parameter.span,
            nearest=nearest_names(name, names - set(named)),
            fix=f"{name}=…",
            source=program.source,
        )
        for name, parameter in named.items()
        if name not in names
    ]
    for name in sorted(names - set(named)):
        shown = ", ".join(f"${known}" for known in named) or "none"
        message = f"a value is given for ${name}, but the program names {shown}"
        near = nearest_names(name, named)
        fix = f"{near[0]}=…" if near else f"leave {name} out"
        errors.append(ProgramError("logic.parameter-unknown", message, nearest=near, fix=fix, source=program.source))
    return errors


def _in_order(errors: Iterable[ProgramError], program: Program) -> list[ProgramError]:
    """In the order of the text, without repetition, with the text to point into; those without a place come last."""
    unique: dict[tuple[str, str, object], ProgramError] = {}
    for error in errors:
        error.source = program.source
        unique.setdefault((error.code, error.message, error.where), error)
    nowhere = (1 << 60, 0)
    ordered = sorted(unique.values(), key=lambda error: (error.span.line, error.span.column) if error.span else nowhere)
    return ordered[:ERRORS_MAX]


def _too_deep(rule: Rule) -> Iterator[ProgramError]:
    for predicate in rule.body:
        for expression in expressions(predicate):
            if depth(expression) > DEPTH_MAX:
                message = f"an expression of a rule for `{rule.head.relation}` nests deeper than {DEPTH_MAX}"
                yield ProgramError(
                    "logic.too-deep", message, where=expression.span, fix="bind a part of it first: Y := X + 1"
                )


def _bad_cids(program: Program, schema: Schema, content_addressed: frozenset[str]) -> Iterator[ProgramError]:
    """CIDs bound of anything but stored facts (E14)."""
    for rule in program.rules:
        for predicate in rule.body:
            if not isinstance(predicate, Selection) or predicate.cid is None:
                continue
            relation = predicate.atom.relation
            if relation in schema.attributes and (relation in schema.derived or relation not in content_addressed):
                addressed = ", ".join(sorted(content_addressed)) or "none"
                yield ProgramError(
                    "logic.cid-of-derived",
                    f"a tuple of `{relation}` has no CID: only those of stored facts have one ({addressed})",
                    where=name_span(predicate.atom),
                    fix=f"carry the CID in an attribute of `{relation}`",
                )


def _bad_calls(
    rule: Rule, schema: Schema, functions: Mapping[str, Function], aggregates: Mapping[str, Aggregate]
) -> Iterator[ProgramError]:
    """Functions and aggregates that there are not, or that are given the wrong number of arguments."""
    for predicate in rule.body:
        if isinstance(predicate, Aggregation):
            yield from _bad_aggregation(predicate, functions, aggregates)
        for expression in expressions(predicate):
            for part in parts(expression):
                if not isinstance(part, Call):
                    continue
                function = functions.get(part.function)
                if function is None:
                    yield _unknown_function(part, schema, functions, aggregates)
                elif not function.takes(len(part.arguments)):
                    message = f"`{part.function}` is given {len(part.arguments)} arguments"
                    yield ProgramError("logic.arity", message, where=part.span, fix=str(function))


def _meant_as_atoms(rule: Rule, schema: Schema, functions: Mapping[str, Function]) -> Iterator[Variable]:
    """The variables of calls that were surely meant as atoms, `edge(X, Y)`: they are one mistake, not two."""
    for predicate in rule.body:
        for expression in expressions(predicate):
            for part in parts(expression):
                if isinstance(part, Call) and part.function not in functions and part.function in schema.attributes:
                    yield from variables(part)


def _bad_aggregation(
    aggregation: Aggregation, functions: Mapping[str, Function], aggregates: Mapping[str, Aggregate]
) -> Iterator[ProgramError]:
    name, given = aggregation.function, len(aggregation.parameters)
    aggregate = aggregates.get(name)
    if aggregate is None:
        near = nearest_names(name, aggregates)
        what = "a function, not an aggregate" if name in functions else "not an aggregate"
        message = f"`{name}` is {what}; there are {', '.join(aggregates)}"
        yield ProgramError(
            "logic.unknown-aggregate", message, where=aggregation.span, nearest=near, fix=(*near, "count")[0]
        )
    elif aggregate.parameters is not None and aggregate.parameters != given:
        plural = "" if aggregate.parameters == 1 else "s"
        message = f"`{name}` takes {aggregate.parameters} parameter{plural} and is given {given}"
        shown = ", ".join("XYZUVW"[place % 6] for place in range(aggregate.parameters))
        fix = f"{aggregation.target} := {name} {shown} : {aggregation.atom.relation}(…)"
        yield ProgramError("logic.arity", message, where=aggregation.span, fix=fix)


def _unknown_function(
    call: Call, schema: Schema, functions: Mapping[str, Function], aggregates: Mapping[str, Aggregate]
) -> ProgramError:
    name, where = call.function, call.span
    if name in schema.attributes:
        message = (
            f"`{name}` is a relation, and relations take named attributes: {example(name, schema.attributes[name])}"
        )
        return ProgramError("logic.positional", message, where=where, fix=_named(call, schema.attributes[name]))
    if name in aggregates:
        message = f"`{name}` is an aggregate, which runs over an atom"
        return ProgramError("logic.unknown-function", message, where=where, fix=f"N := {name} X : p(x: X)")
    near = nearest_names(name, functions) or nearest_names(name, schema.attributes)
    relations = [known for known in near if known in schema.attributes]
    if relations:
        error = unknown_relation(name, schema, where)
        fix = _named(Call(relations[0], call.arguments), schema.attributes[relations[0]])
        return ProgramError(error.code, error.message, where=where, nearest=near, fix=fix)
    fix = str(functions[near[0]]) if near else f"{name}(attribute: X) if it is a relation"
    return ProgramError("logic.unknown-function", f"there is no function `{name}`", where=where, nearest=near, fix=fix)


def _named(call: Call, attributes: tuple[str, ...]) -> str:
    """A call rewritten as the atom that was probably meant."""
    pairs = zip(attributes, call.arguments, strict=False)
    shown = (f"{name}: {term if isinstance(term, Variable | Constant) else 'X'}" for name, term in pairs)
    return f"{call.function}({', '.join(shown)})"

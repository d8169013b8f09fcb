"""Constraints on views: `year__gt=1990`, `director__name="Lana"`, read against a schema and held against plain data.

A constraint names a property, or a way through views inside (`director__name`), and after it an operator. It is met where one
of the values that the policies choose there is such a value.
"""

from __future__ import annotations

import operator
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.db.graph.hyperedges import check_list
from rhizomedb.db.search import TESTS
from rhizomedb.errors import Error, RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Entity, Value, check_value
from rhizomedb.hyper.instance import entity_in
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.pointer import Reference
from rhizomedb.hyper.resolution import property_key
from rhizomedb.hyper.schema import HyperSchema, Property, Schemas
from rhizomedb.hyper.typed import TypedClass, is_typed, typed
from rhizomedb.hyper.typed_field import Ref

MARK: Final = "__"
ID: Final = "id"

IN_MAX: Final = 10_000
"""How many values one `in` may list."""

PATH_MAX: Final = 64
"""How many parts the name of a constraint may have."""


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: type(left) is str and test(left.lower(), right.lower())


def _starts(text: str, part: str) -> bool:
    return text.startswith(part)


def _in(left: Any, right: Sequence[Any]) -> bool:
    return any(TESTS["eq"](left, each) for each in right)


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    **{name: TESTS[name] for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "in": _in,
    "contains": _text(operator.contains),
    "startswith": _text(_starts),
}
"""What can follow a name after two underscores. Numbers of both kinds compare; texts contain without regard to case."""

_SAME: Final = ("eq", "ne", "in")
_ORDER: Final = (*_SAME, "lt", "le", "gt", "ge")

KINDS: Final[Mapping[str, tuple[str, tuple[type, ...], tuple[str, ...]]]] = {
    "integer": ("a number", (int, float), _ORDER),
    "number": ("a number", (int, float), _ORDER),
    "string": ("a text", (str,), tuple(OPERATORS)),
    "boolean": ("true or false", (bool,), _SAME),
    "attachment": ("the CID of an attachment", (Cid,), _SAME),
    "thing": ("the id of a thing", (str,), _SAME),
}
"""Of each root of a primitive schema: what it is compared with, as which types, by which operators."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a way: under which property of a thing, and by which role of a hyperedge that shows up there."""

    schema: HyperSchema
    context: str
    role: str
    is_own: bool
    """Whether the role is that of the property, so that plain data has its values at once and not by role."""

    @property
    def keys(self) -> tuple[str, ...]:
        """How plain data is read on this step."""
        return (property_key(self.context),) if self.is_own else (property_key(self.context), self.role)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint as it was read: its name, the way to its values, an operator and what they are compared with.

    Without a step it is about the id of the thing itself.
    """

    name: str
    steps: tuple[Step, ...]
    operator: str
    value: Any

    def holds(self, shown: Mapping[str, Any]) -> bool:
        """Whether plain data, as `show` gives it, meets it."""
        test = OPERATORS[self.operator]
        return any(test(value, self.value) for value in self._values(shown))

    def _values(self, shown: Mapping[str, Any]) -> Iterator[Any]:
        keys = [key for step in self.steps for key in step.keys] or [ID]
        some: list[Any] = [shown]
        for key in keys:
            found = [each[key] for each in some if isinstance(each, dict) and key in each]
            some = [value for each in found for value in (each if isinstance(each, list) else [each])]
        for each in some:
            value = each.get(ID) if isinstance(each, dict) else each
            if value is not None and not isinstance(value, dict | list):
                yield value


def constraints_of(
    schemas: Schemas,
    id: str,
    cls: type[Any] | None,
    conditions: Mapping[str, object] | None,
    more: Mapping[str, object],
    names: Callable[[], Iterable[Any]],
    contexts: Callable[[], Iterable[str]],
    thing: Callable[[str], Entity],
) -> list[Constraint]:
    """The constraints that keywords mean for things of a schema; `names` are those of all attributes here, `contexts` those
    under which hyperedges show up, which is asked only for a message; `thing` is the thing that an id or a name means.

    `db.condition` says what is no property, with those that are near, what is no operator, and what is of the wrong kind.
    """
    if conditions is not None and not (
        isinstance(conditions, Mapping) and all(isinstance(name, str) for name in conditions)
    ):
        raise RequestError("db.condition", f"{conditions!r:.60} maps no names to values", fix='{"year__gt": 1990}')
    reading = _Reading(schemas, names, contexts, thing)
    return [
        reading.constraint(name, value, schemas[id], None if cls is None else typed(cls))
        for some in (conditions or {}, more)
        for name, value in some.items()
    ]


class _Reading:
    """Reads keywords against schemas."""

    def __init__(
        self,
        schemas: Schemas,
        names: Callable[[], Iterable[Any]],
        contexts: Callable[[], Iterable[str]],
        thing: Callable[[str], Entity],
    ) -> None:
        self._schemas = schemas
        self._names = names
        self._contexts = contexts
        self._thing = thing
        self._known: frozenset[str] | None = None

    def constraint(self, name: str, value: object, schema: HyperSchema, cls: TypedClass | None) -> Constraint:
        parts = name.split(MARK)
        if len(parts) > PATH_MAX:
            raise RequestError("db.condition", f"{name!r:.60} has more than {PATH_MAX} parts", fix="director__name")
        if parts[0] == ID and len(parts) <= 2 and (len(parts) == 1 or parts[1] in OPERATORS):
            steps: tuple[Step, ...] = ()
            operator = (*parts, "eq")[1]
        else:
            steps, operator = self._way(name, parts, schema, cls)
        return Constraint(name, steps, operator, self._operand(name, steps, operator, value))

    def _way(
        self, name: str, parts: list[str], schema: HyperSchema, cls: TypedClass | None
    ) -> tuple[tuple[Step, ...], str]:
        steps: list[Step] = []
        while True:
            property, parts = self._property(name, parts, schema, cls)
            expected = schema.properties.get(property, Property())
            own = expected.role or property
            nest = schema.nests.get(own)
            inside = None if nest is None else self._schemas[nest.schema]
            if parts == [ID] and (inside is None or not self._declares(inside, ID)):
                parts = []
            if not parts:
                return (*steps, Step(schema, property, own, True)), "eq"
            is_operator = len(parts) == 1 and parts[0] in OPERATORS
            if is_operator and (inside is None or not self._declares(inside, parts[0])):
                return (*steps, Step(schema, property, own, True)), parts[0]
            if len(parts) == 2 and parts[0] == ID and parts[1] in OPERATORS and nest is not None:
                return (*steps, Step(schema, property, own, True)), parts[1]
            if inside is not None:
                steps.append(Step(schema, property, own, True))
            else:
                role, parts = self._role(name, property, parts, schema)
                step = Step(schema, property, role, False)
                if not parts or (len(parts) == 1 and parts[0] in OPERATORS):
                    return (*steps, step), (*parts, "eq")[0]
                nest = schema.nests.get(role)
                if nest is None:
                    raise self._unknown_operator(name, parts)
                steps.append(step)
                inside = self._schemas[nest.schema]
            cls = self._class_of(cls, property)
            schema = inside

    def _class_of(self, cls: TypedClass | None, property: str) -> TypedClass | None:
        """The class of what a property of a class leads to, if that is one."""
        fields = () if cls is None else cls.fields
        nested = next((each.nested for each in fields if each.context == property), None)
        return None if nested is None else typed(nested)

    def _property(
        self, name: str, parts: list[str], schema: HyperSchema, cls: TypedClass | None
    ) -> tuple[str, list[str]]:
        """The property that the first parts of a name mean, as many as can be, and what is left."""
        called = {} if cls is None else {each.name: each.context for each in cls.fields}
        for count in range(len(parts), 0, -1):
            said = MARK.join(parts[:count])
            property = called.get(said, ID if said == "id[]" else said)
            if said in called or self._is_property(schema, property):
                return property, parts[count:]
        known = {
            *called,
            *(schema.selects if schema.selects is not None else {*schema.properties, *self._attributes()}),
        }
        if schema.selects is None:
            known = {*called, *schema.properties, *self._contexts()}
        tail = parts[-1] if len(parts) > 1 and parts[-1] in OPERATORS else None
        said = MARK.join(parts[:-1] if tail else parts)
        near = nearest_names(said, known) or nearest_names(parts[0], known)
        raise RequestError(
            "db.condition",
            f"{schema.name} shows no property {said!r:.60}",
            where=name[:60],
            nearest=near,
            fix=f"one of {', '.join(sorted(known)[:12])}" if known else "a property that anything is said of",
        )

    def _is_property(self, schema: HyperSchema, name: str) -> bool:
        if schema.selects is not None:
            return name in schema.selects
        return self._declares(schema, name) or name in self._attributes()

    def _declares(self, schema: HyperSchema, name: str) -> bool:
        return name in (schema.selects or ()) or (schema.takes(name) and name in schema.properties)

    def _attributes(self) -> frozenset[str]:
        if self._known is None:
            self._known = frozenset(each for each in self._names() if isinstance(each, str))
        return self._known

    def _role(self, name: str, property: str, parts: list[str], schema: HyperSchema) -> tuple[str, list[str]]:
        """The role that the next parts mean: of a property that shows what hyperedges say by role."""
        expected = schema.properties.get(property)
        if expected is None or expected.kind is None:
            for count in range(len(parts), 0, -1):
                role = MARK.join(parts[:count])
                if role in schema.nests or (role in self._attributes() and role not in OPERATORS):
                    return role, parts[count:]
        raise self._unknown_operator(name, parts)

    def _unknown_operator(self, name: str, parts: list[str]) -> RequestError:
        said = MARK.join(parts)
        return RequestError(
            "db.condition",
            f"{said!r:.60} is no operator",
            where=name[:60],
            nearest=nearest_names(said, OPERATORS),
            fix=f"one of {', '.join(OPERATORS)}",
        )

    # -- what values are compared with ------------------------------------------------------------------------------

    def _operand(self, name: str, steps: tuple[Step, ...], operator: str, value: object) -> Any:
        if operator != "in":
            return self._one(name, steps, operator, value)
        some = list(check_list(value))
        if len(some) > IN_MAX:
            raise RequestError("db.condition", f"`in` lists more than {IN_MAX:,} values", where=name[:60], fix="fewer")
        return [self._one(name, steps, operator, each) for each in some]

    def _one(self, name: str, steps: tuple[Step, ...], operator: str, value: Any) -> Value:
        kind, is_thing = self._kind(steps)
        if is_typed(type(value)):
            entity = entity_in(value)
            value = value if entity is None else id_of(entity)
        elif isinstance(value, Ref | Reference):
            value = id_of(value.entity)
        elif isinstance(value, bytes) and value:
            value = b64encode(value).decode() if kind == "string.base64" else id_of(value) if is_thing else value
        elif isinstance(value, str) and value and is_thing and steps:
            value = id_of(self._thing(value))
        elif isinstance(value, date):
            value = value.isoformat()
        elif kind == "attachment" and isinstance(value, str):
            value = Cid.parse(value)
        try:
            checked = check_value(value)
        except Error as error:
            raise self._no_value(name, operator, value, error) from None
        root = "thing" if is_thing else (kind or "").partition(".")[0].partition("[")[0].partition("(")[0]
        if root in KINDS:
            what, types, operators = KINDS[root]
            if not steps:
                operators = tuple(OPERATORS)
            if operator not in operators:
                raise RequestError(
                    "db.condition",
                    f"{operator!r} compares no {root}",
                    where=name[:60],
                    fix=f"one of {', '.join(operators)}",
                )
            if type(checked) not in types:
                raise RequestError(
                    "db.condition",
                    f"it is compared with {what}, not with {value!r:.60}",
                    where=name[:60],
                    fix=f"{name[:60]}={_EXAMPLES[root]}",
                )
        elif operator in ("contains", "startswith") and not isinstance(checked, str):
            raise RequestError(
                "db.condition", f"a text contains texts, not {value!r:.60}", where=name[:60], fix=f'{name[:60]}="…"'
            )
        return checked

    def _no_value(self, name: str, operator: str, value: object, error: Error) -> RequestError:
        """What is compared with nothing, or with several: said in the words of who asks, not of who writes."""
        message, fix = error.message, error.fix
        if value is None:
            message = "nothing is compared with None: without the property a thing meets no constraint"
            fix = "look through db.where(…) without this constraint"
        elif isinstance(value, list | tuple | set | frozenset):
            message = f"{value!r:.60} is several values, and one is enough"
            fix = f"{name.removesuffix(f'{MARK}{operator}')[:60]}{MARK}in={value!r:.60}"
        return RequestError("db.condition", message, where=name[:60], fix=fix)

    def _kind(self, steps: tuple[Step, ...]) -> tuple[str | None, bool]:
        """What is expected where a way ends: a primitive schema, and whether things are certain to be there."""
        if not steps:
            return None, True
        last = steps[-1]
        kind = last.schema.properties.get(last.context, Property()).kind if last.is_own else None
        return kind, kind == "thing" or (kind is None and last.role in last.schema.nests)


_EXAMPLES: Final = {
    "integer": "1990",
    "number": "8.5",
    "string": '"Lana"',
    "boolean": "True",
    "attachment": "cid",
    "thing": '"matrix"',
}

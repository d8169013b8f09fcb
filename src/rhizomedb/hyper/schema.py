"""HyperSchemas: which hyperedges make up the view of a thing, and which of their targets are views in turn.

A schema selects by context: what points at a thing under a context is in its view, under that property. It transforms by
role: where a pointer of some role leads to a thing, that thing is shown by another schema, unless a condition on the same
hyperedge does not hold. What a schema leads to never leads back to it, so every view ends (RhizomeDB 4.2 to 4.5).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final, Literal, TypeAlias, get_args

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Value, check_value, exact
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.primitive import primitive

Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]

DEPTH_MAX: Final = 64
"""How many schemas may follow one another."""

TOO_DEEP: Final = f"more than {DEPTH_MAX} schemas follow one another"

_RULES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a hyperedge must say itself: a value of a role that compares so with another one."""

    role: str
    comparison: Comparison
    value: Value

    def __post_init__(self) -> None:
        if type(self.role) is not str or not self.role:
            raise RequestError(
                "hyper.schema", f"{self.role!r:.60} is no role of a condition", fix='Condition("year", ">", 1990)'
            )
        object.__setattr__(self, "value", check_value(self.value))
        if self.comparison not in get_args(Comparison):
            raise RequestError(
                "hyper.schema", f"there is no comparison {self.comparison!r:.40}", fix=", ".join(get_args(Comparison))
            )

    def holds(self, edge: Hyperedge) -> bool:
        """Whether a hyperedge says such a value; a thing counts as its entity, as it does for the program of the schema."""
        return any(
            _compares(target.entity if isinstance(target, Reference) else target, self.comparison, self.value)
            for target in edge.targets(self.role)
        )


def _compares(left: Any, comparison: Comparison, right: Any) -> bool:
    """As programs compare: values of different kinds differ, and neither is the greater."""
    if comparison in ("==", "!="):
        return (exact(left) == exact(right)) is (comparison == "==")
    if type(left) is not type(right) or isinstance(left, bool):
        return False
    match comparison:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
    return bool(left >= right)


@dataclass(frozen=True, slots=True)
class Nest:
    """Show what a role points at by a schema, where all conditions hold."""

    schema: str
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if type(self.schema) is not str or not self.schema:
            raise RequestError("hyper.schema", f"{self.schema!r:.60} is no id of a schema", fix='Nest("person")')
        given: Any = self.when  # whatever it is said to be
        when = tuple(given) if isinstance(given, Iterable) else (given,)
        if not isinstance(given, Iterable) or not all(isinstance(each, Condition) for each in when):
            raise RequestError(
                "hyper.schema", "`when` is a list of conditions", fix='Nest("person", [Condition("year", ">", 1990)])'
            )
        once = {(each.role, each.comparison, exact(each.value)): each for each in when}
        object.__setattr__(self, "when", tuple(once.values()))


@dataclass(frozen=True, slots=True)
class Property:
    """What is expected of a property: its primitive schema, if it has values, the role that has them, and whether it must be there.

    A property that has `many` values is one whose values are no rivals: a view shows all of them, each once.
    """

    kind: str | None = None
    role: str | None = None
    required: bool = False
    many: bool = False

    def __post_init__(self) -> None:
        if self.kind is not None:
            object.__setattr__(self, "kind", primitive(self.kind).name)


@dataclass(frozen=True, slots=True)
class HyperSchema:
    """A schema: its id and name, the properties that it selects (None: every context), how it nests, and what it expects."""

    id: str
    name: str
    selects: frozenset[str] | None = None
    nests: Mapping[str, Nest] = field(default_factory=dict)
    properties: Mapping[str, Property] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, text in (("id", self.id), ("name", self.name)):
            if type(text) is not str or not text:
                raise RequestError(
                    "hyper.schema", f"the {what} of a schema is a text that is not empty, not {text!r:.60}"
                )
        if self.selects is not None:
            selects: Any = self.selects  # what is given, whatever it is said to be
            if isinstance(selects, str | bytes):
                raise RequestError(
                    "hyper.schema", f"{selects!r:.60} is one context, not several", fix=f"[{selects!r:.60}]"
                )
            if not isinstance(selects, Iterable):
                raise RequestError("hyper.schema", f"{selects!r:.60} is no list of contexts", fix='selects=["title"]')
            object.__setattr__(self, "selects", frozenset(self.selects))
            if not all(type(context) is str and context for context in self.selects):
                raise RequestError("hyper.schema", "a context is a text that is not empty", fix='selects=["title"]')
        for what, rules, kind, fix in (
            ("nests", self.nests, Nest, '{"director": Nest("person")}'),
            ("properties", self.properties, Property, '{"year": Property("integer.year")}'),
        ):
            if not isinstance(rules, Mapping) or not all(
                type(name) is str and name and isinstance(rule, kind) for name, rule in rules.items()
            ):
                raise RequestError("hyper.schema", f"`{what}` maps names to {kind.__name__}", fix=f"{what}={fix}")
        if len(self.nests) > _RULES_MAX or len(self.properties) > _RULES_MAX:
            raise RequestError("hyper.schema", f"a schema has at most {_RULES_MAX:,} rules and as many properties")
        own = next((role for role, nest in self.nests.items() if nest.schema == self.id), None)
        if own is not None:
            raise cycle([self.name, self.name])

    def takes(self, context: str) -> bool:
        """Whether what shows up under a context is in the view."""
        return self.selects is None or context in self.selects

    @property
    def version(self) -> str:
        """The SHA-256 of all that it says, in hexadecimal: the same for the same schema, however it was put together."""
        said = {
            "id": self.id,
            "name": self.name,
            "selects": None if self.selects is None else sorted(self.selects),
            "nests": {
                role: [nest.schema, sorted([each.role, each.comparison, _shown(each.value)] for each in nest.when)]
                for role, nest in self.nests.items()
            },
            "properties": {
                name: [each.kind, each.role, each.required, *([True] if each.many else [])]
                for name, each in self.properties.items()
            },
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _shown(value: Value) -> list[str]:
    return [type(value).__name__, value.hex() if isinstance(value, bytes | float) else str(value)]


class Schemas(Mapping[str, HyperSchema]):
    """Schemas by their ids, none of which leads back to itself; and why others, by id and name, cannot be used."""

    def __init__(self, schemas: Iterable[HyperSchema] = (), refused: Mapping[str, str] | None = None) -> None:
        self._schemas: dict[str, HyperSchema] = {}
        self.refused: Mapping[str, str] = refused or {}
        for schema in schemas:
            self._schemas[schema.id] = schema
        self.order = tuple(_sorted(self._schemas))
        """The ids, each after those that it leads to."""

    def __getitem__(self, id: str) -> HyperSchema:
        found = self._schemas.get(id)
        if found is None:
            raise self.unknown(id)
        return found

    def __contains__(self, id: object) -> bool:
        return id in self._schemas

    def __iter__(self) -> Iterator[str]:
        return iter(self._schemas)

    def __len__(self) -> int:
        return len(self._schemas)

    def __repr__(self) -> str:
        cannot = f"; cannot be used: {', '.join(sorted(self.refused))}" if self.refused else ""
        return f"<Schemas: {', '.join(sorted(self._schemas)) or 'none'}{cannot}>"

    def unknown(self, id: str, led: str = "") -> RequestError:
        """The error for a schema that is not here, or that is said and cannot be used."""
        if id in self.refused:
            return RequestError(
                "hyper.unknown-schema",
                f"the schema {id!r:.60}{led and f'{led},'} is said here and cannot be used: {self.refused[id]}",
                fix="db.define says it anew, without what is wrong; db.schemas_said().refused has who said it",
            )
        named = [each.id for each in self._schemas.values() if each.name == id]
        if named:
            message = f"there is no schema with the id {id!r:.60}; that is the name of {', '.join(named[:5])}"
            return RequestError("hyper.unknown-schema", message, fix=f"[{named[0]!r}]")
        return RequestError(
            "hyper.unknown-schema",
            f"there is no schema {id!r:.60}{led}",
            nearest=nearest_names(str(id), [*self._schemas, *(each.name for each in self._schemas.values())]),
            fix="db.define(HyperSchema(…))",
        )

    def depth(self, id: str) -> int:
        """How many schemas follow one another from this one on; 1 for one that leads to none."""
        deep: dict[str, int] = {}
        for each in self.order:
            deep[each] = 1 + max((deep.get(nest.schema, 0) for nest in self[each].nests.values()), default=0)
        return deep[self[id].id]

    def dependents(self, id: str) -> frozenset[str]:
        """The schemas that lead to one at once."""
        return frozenset(
            each.id for each in self._schemas.values() if any(nest.schema == id for nest in each.nests.values())
        )

    def reached(self, id: str) -> list[HyperSchema]:
        """A schema and all that it leads to, directly or not; `hyper.unknown-schema` if one of them is not here."""
        found = {id: self[id]}
        waiting = [id]
        while waiting:
            last = found[waiting.pop()]
            for role, nest in last.nests.items():
                if nest.schema not in self._schemas:
                    raise self.unknown(nest.schema, f", to which {last.name:.60} leads by {role:.60}")
                if nest.schema not in found:
                    found[nest.schema] = self[nest.schema]
                    waiting.append(nest.schema)
        return list(found.values())


def _sorted(schemas: Mapping[str, HyperSchema]) -> Iterator[str]:
    """The ids, each after those that it leads to; a schema that is not here leads nowhere."""
    done: dict[str, int] = {}  # each with how many schemas follow one another from it on
    for start in sorted(schemas):
        path: list[tuple[str, Iterator[str]]] = []
        on_path: dict[str, None] = {}
        ahead = start
        while True:
            if ahead and ahead not in done:
                if ahead in on_path:
                    names = [*on_path]
                    ring = [*names[names.index(ahead) :], ahead]
                    raise cycle([schemas[each].name for each in ring])
                on_path[ahead] = None
                nested = sorted({nest.schema for nest in schemas[ahead].nests.values() if nest.schema in schemas})
                path.append((ahead, iter(nested)))
            if not path:
                break
            last, more = path[-1]
            ahead = next(more, "")
            if not ahead:
                path.pop()
                del on_path[last]
                if last not in done:
                    nests = schemas[last].nests.values()
                    done[last] = 1 + max((done.get(nest.schema, 0) for nest in nests), default=0)
                    if done[last] > DEPTH_MAX:
                        raise RequestError("hyper.schema", TOO_DEEP)
                    yield last


def cycle(names: Iterable[str]) -> RequestError:
    """The error for schemas that lead back to themselves."""
    return RequestError(
        "hyper.cycle",
        f"schemas would nest without end: {' → '.join(names)}",
        fix="leave one of these rules out, or let it lead to a schema that ends",
    )

"""The log as it is read: every delta, newest first, and which deltas each of them had seen.

A delta has seen another where one of its facts names as a cause a fact that the other was the first here to say. What a
copy learned last comes first, but no delta ever comes before one that had seen it: arrival is no order of causes, for
deltas come from elsewhere in any order. Nothing is read before it is asked for, except the ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from rhizomedb._record import dataclass
from rhizomedb.db.moment import show_ms
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Attribute, Entity, Value, plain
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.db.naming import Authors, Names

SAID_MAX: Final = 3
"""How many facts of a delta are told; the rest are counted."""

AT_ONCE: Final = (16, 1024)
"""How many deltas are looked at together: few at first, so that the first lines come at once."""

WAVES_MAX: Final = 16
"""How far back causes are looked up step by step, before all there are are read."""


@dataclass(frozen=True, slots=True)
class Saying:
    """One fact of a delta, in short: about which entity, called what here, and what of it."""

    entity: Entity
    label: str
    attribute: Attribute
    value: Value


@dataclass(frozen=True, slots=True)
class Logged:
    """One delta: who said what and when, the deltas that it had seen, and causes of it that are not in this copy.

    `said` holds the first few of its `facts`; `time_ms` is claimed; `edge` is the hyperedge that it says, if it says one.
    """

    delta: Cid
    author: str
    time_ms: int
    said: tuple[Saying, ...]
    facts: int
    parents: tuple[Cid, ...]
    missing: tuple[Cid, ...]
    edge: Entity | None = None

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "delta": self.delta,
            "author": self.author,
            "time": show_ms(self.time_ms, zone=True),
            "facts": self.facts,
            "said": [
                {"entity": s.label, "id": s.entity.hex(), "attribute": s.attribute, "value": s.value} for s in self.said
            ],
            "parents": list(self.parents),
            "missing": list(self.missing),
        }


_Row: TypeAlias = tuple[int, bytes, int, bytes]
"""Of a delta: where it is in the log, its author, the time that it claims, and the hyperedge that it says or nothing."""


@dataclass(slots=True)
class _Links:
    """What is known of a delta while it waits: its facts that are of interest, and what it leads to and from."""

    facts: list[Cid]
    parents: list[Cid]
    children: list[Cid]
    missing: list[Cid]


def log(store: Store, cut: Cut, names: Names, authors: Authors, entity: Entity | None) -> Iterator[Logged]:
    """Every visible delta, or those that say something of an entity, newest first."""
    deltas = {
        cast(Cid, row[0]): (place, cast(bytes, row[1]), cast(int, row[3]), cast(bytes, row[5]))
        for place, row in enumerate(store.scan("delta", {}, cut))
    }
    graph = _Whole(store, cut, deltas) if entity is None else _OfEntity(store, cut, deltas, entity)
    for some in _batches(_newest_first(graph)):
        shown = [(fact,) for _, links in some for fact in links.facts[:SAID_MAX]]
        facts = {cast(Cid, row[0]): row for row in store.scan_keys("fact", {}, ("$cid",), dict.fromkeys(shown), cut)}
        for delta, links in some:
            _, author, ms, edge = deltas[delta]
            said = tuple(
                Saying(row[1], names.label(row[1]), plain(row[2]), plain(row[3]))  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
                for row in (facts[fact] for fact in links.facts[:SAID_MAX])
            )
            yield Logged(
                delta,
                authors.name(author),
                ms,
                said,
                len(links.facts),
                tuple(links.parents),
                tuple(links.missing),
                edge or None,
            )


def _batches(items: Iterator[tuple[Cid, _Links]]) -> Iterator[list[tuple[Cid, _Links]]]:
    size, most = AT_ONCE
    while some := list(islice(items, size)):
        yield some
        size = min(2 * size, most)


def _newest_first(graph: _Graph) -> Iterator[tuple[Cid, _Links]]:
    """Every delta after all that had seen it, else the last to arrive first.

    Two deltas can each have seen the other, where somebody said again what was not here: the facts of a delta are said
    at once, but may have been known one by one. Then neither waits.
    """
    entered: set[Cid] = set()
    done: set[Cid] = set()
    for root in reversed(graph.order):
        pending = [root]
        while pending:
            delta = pending[-1]
            if delta in done:
                pending.pop()
            elif delta in entered:
                pending.pop()
                done.add(delta)
                yield delta, graph.take(delta)
            else:
                entered.add(delta)
                children = [child for child in graph.links(delta).children if child not in entered]
                pending += sorted(children, key=graph.place)


class _Graph:
    """Deltas and what they had seen. `order`: as they arrived."""

    def __init__(self, store: Store, cut: Cut, deltas: Mapping[Cid, _Row]) -> None:
        self.store = store
        self.cut = cut
        self.deltas = deltas
        self.order: Sequence[Cid] = list(deltas)
        self.known: dict[Cid, _Links] = {}

    def place(self, delta: Cid) -> int:
        """Where in the log a delta is."""
        return self.deltas[delta][0]

    def take(self, delta: Cid) -> _Links:
        """What is known of a delta, for the last time."""
        return self.known.pop(delta)

    def links(self, delta: Cid) -> _Links:
        """What a delta leads to and from."""
        raise AssertionError("a graph has links")

    def scan(self, relation: str, name: str, keys: Iterable[Any], cut: Cut) -> Iterator[tuple[Any, ...]]:
        """The tuples of a relation with one of some values under a name."""
        return self.store.scan_keys(relation, {}, (name,), [(key,) for key in dict.fromkeys(keys)], cut)

    def first(self, facts: Iterable[Cid]) -> tuple[dict[Cid, Cid], dict[Cid, list[Cid]], set[Cid]]:
        """The visible delta that was the first to say each of some facts, all that say it, and the facts that are here."""
        said: defaultdict[Cid, list[Cid]] = defaultdict(list)
        here: set[Cid] = set()
        for delta, fact in self.scan("asserts", "fact", facts, Cut()):
            here.add(fact)
            if delta in self.deltas:
                said[fact].append(delta)
        return {fact: min(some, key=self.place) for fact, some in said.items()}, said, here


class _Whole(_Graph):
    """All visible deltas; what leads to and from them is looked up for many at once, when the first of them is asked for."""

    def __init__(self, store: Store, cut: Cut, deltas: Mapping[Cid, _Row]) -> None:
        super().__init__(store, cut, deltas)
        self._size, self._most = AT_ONCE
        self._met: set[Cid] = set()

    def links(self, delta: Cid) -> _Links:
        """What a delta leads to and from."""
        if delta not in self.known:
            place = self.place(delta)
            near = self.order[max(0, place + 1 - self._size) : place + 1]
            self._look_up([each for each in near if each not in self._met])
            self._size = min(2 * self._size, self._most)
        return self.known[delta]

    def _look_up(self, deltas: list[Cid]) -> None:
        self._met.update(deltas)
        facts: defaultdict[Cid, list[Cid]] = defaultdict(list)
        for delta, fact in self.scan("asserts", "delta", deltas, self.cut):
            facts[delta].append(fact)
        own = [fact for some in facts.values() for fact in some]
        causes, effects = defaultdict(list), defaultdict(list)
        for effect, cause in self.scan("cause", "from", own, Cut()):
            causes[effect].append(cause)
        for effect, cause in self.scan("cause", "to", own, self.cut):
            effects[cause].append(effect)
        asked = [*own, *(c for some in causes.values() for c in some), *(e for some in effects.values() for e in some)]
        first, said, here = self.first(asked)
        for delta in deltas:
            named = [cause for fact in facts[delta] for cause in causes[fact]]
            led = [e for fact in facts[delta] if first.get(fact) == delta for e in effects[fact]]
            self.known[delta] = _Links(
                facts[delta],
                _distinct((first[cause] for cause in named if cause in first), delta),
                _distinct((child for effect in led for child in said[effect]), delta),
                [cause for cause in dict.fromkeys(named) if cause not in here],
            )


class _OfEntity(_Graph):
    """The deltas that say something of one entity; one that had seen another through others leads to it directly."""

    def __init__(self, store: Store, cut: Cut, deltas: Mapping[Cid, _Row], entity: Entity) -> None:
        super().__init__(store, cut, deltas)
        own = [cast(Cid, row[0]) for row in store.scan("fact", {"entity": entity}, cut)]
        first, said, _ = self.first(own)
        facts: defaultdict[Cid, list[Cid]] = defaultdict(list)
        for fact in own:
            for delta in said[fact]:
                facts[delta].append(fact)
        self.order = sorted(facts, key=self.place)
        pasts = self._pasts(own)
        children: defaultdict[Cid, list[Cid]] = defaultdict(list)
        for delta, some in facts.items():
            parents = _distinct((first[cause] for fact in some for cause in pasts[fact].nearest), delta)
            for parent in parents:
                children[parent].append(delta)
            lost = dict.fromkeys(cause for fact in some for cause in pasts[fact].missing)
            self.known[delta] = _Links(some, parents, children[delta], list(lost))

    def links(self, delta: Cid) -> _Links:
        """What a delta leads to and from."""
        return self.known[delta]

    def _pasts(self, own: Collection[Cid]) -> Mapping[Cid, _Past]:
        """For each fact of the entity, and each between them, what lies next in its past.

        What many have in common of it is walked once: else a chain that others made, with a fact of the entity beside
        each of it, takes the square of its length.
        """
        causes: defaultdict[Cid, list[Cid]] = defaultdict(list)
        mine, wave, met = set(own), set(own), set(own)
        for _ in range(WAVES_MAX):
            found: set[Cid] = set()
            for effect, cause in self.scan("cause", "from", wave, Cut()):
                causes[effect].append(cause)
                found.add(cause)
            wave = found - met
            met |= wave
            if not wave:
                break
        else:  # a long way back: all at once
            causes.clear()
            for effect, cause in self.store.scan("cause", {}, Cut()):
                causes[cast(Cid, effect)].append(cast(Cid, cause))
        here = self.first({cause for some in causes.values() for cause in some if cause not in causes})[2]
        known: dict[Cid, _Past] = {}
        for fact in own:
            pending = [fact]
            while pending:
                each = pending[-1]
                if each in known:
                    pending.pop()
                    continue
                direct: list[Cid] = []
                lost: list[Cid] = []
                through: list[Cid] = []
                for cause in causes.get(each, ()):
                    is_here = cause in causes or cause in here
                    (direct if cause in mine else through if is_here else lost).append(cause)
                more = [cause for cause in through if cause not in known]
                if more:
                    pending += more
                    continue
                pasts = [known[cause] for cause in through]
                known[each] = _Past(
                    _united(tuple(direct), *(past.nearest for past in pasts)),
                    _united(tuple(lost), *(past.missing for past in pasts)),
                )
        return known


class _Past(NamedTuple):
    """What lies next in the past of a fact: facts of the entity, and what is not here."""

    nearest: tuple[Cid, ...]
    missing: tuple[Cid, ...]


def _united(*some: tuple[Cid, ...]) -> tuple[Cid, ...]:
    """Those of all, each once. Along a chain, where there is one and the same at every step, it is kept once."""
    distinct = {id(each): each for each in some if each}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    return tuple(dict.fromkeys(fact for each in distinct.values() for fact in each))


def _distinct(deltas: Iterable[Cid], but: Cid) -> list[Cid]:
    """Each once, without one."""
    return [delta for delta in dict.fromkeys(deltas) if delta != but]

"""Long work for a process to be interrupted at: python long_work.py WORK EDGES. Says `ready`, and then when it heard.

Times are those of the clock that all processes of a machine share.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping

from rhizomedb.budget import UNLIMITED
from rhizomedb.facts.value import exact
from rhizomedb.flow.body import Flow, Graph, Grouping, Stratum
from rhizomedb.flow.dictionary import Interned
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Table

WORK: Mapping[str, Graph | Grouping] = {
    "components": Graph("made", "edge", "min"),
    "components by rank": Graph("made", "edge", "max"),
    "first reached": Graph("made", "edge", "min reached"),
    "first reached by rank": Graph("made", "edge", "max reached"),
    "closure": Graph("made", "edge", "closure"),
    "count": Grouping("made", "edge", (0,), (("count", ()),)),
    "sum": Grouping("made", "edge", (0,), (("sum", (1,)),)),
    "min": Grouping("made", "edge", (0,), (("min", (1,)),)),
}


def edges_of(count: int, chance: random.Random) -> list[bytes]:
    """Two columns of ids, about as many different ones as there are edges."""
    bits = count.bit_length()
    columns = []
    for _ in range(2):
        column = bytearray(chance.randbytes(4 * count))
        for byte in range(4):
            kept = max(0, min(8, bits - 8 * byte))
            column[byte::4] = column[byte::4].translate(bytes(value & ((1 << kept) - 1) for value in range(256)))
        columns.append(bytes(column))
    return columns


def main(work: str, count: int) -> None:
    """Work until somebody interrupts."""
    made = WORK[work]
    groupings, graphs = ((made,), ()) if isinstance(made, Grouping) else ((), (made,))
    stratum = Stratum(("made",), (), groupings, graphs, False)
    flow = Flow((stratum,), {"edge": 2, "made": 2}, {})
    dictionary = Interned()
    dictionary.ids([exact(number / 2) for number in range(1000)])
    table = Table(2)
    table.put(Batch.of(edges_of(count, random.Random(count))))
    print("ready", flush=True)
    try:
        while True:
            Engine(flow, dictionary, standing=False, inputs={"edge": table}).step({}, UNLIMITED.meter())
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""Texts by their definition, in plain Python: which facts are runs and deletions, and in what order characters stand."""

from __future__ import annotations

import re

PUT = re.compile(r"(0|[1-9][0-9]*)\.([1-9][0-9]*)\.([^:]{8}):(.+)", re.DOTALL)
TAKE = re.compile(r"(0|[1-9][0-9]*)\.([1-9][0-9]*)", re.DOTALL)
MOST = 2**63 - 1


def characters(facts, entity):
    """The characters that stand: (run, place in it, character), in order."""
    here = [each for each in facts if each.entity == entity and isinstance(each.value, str)]
    puts, takes = {}, []
    for each in here:
        match = (PUT if each.attribute == "text/insert" else TAKE).fullmatch(each.value)
        if match is None or each.attribute not in ("text/insert", "text/delete"):
            continue
        numbers = int(match[1]), int(match[2])
        if max(numbers) > MOST:
            continue
        if each.attribute == "text/delete":
            takes.append((each, *numbers))
        else:
            puts[each.cid] = each, *numbers, match[3], match[4]
    under = {}
    for cid, (each, offset, counter, session, _) in puts.items():
        if not each.causes and offset == 0:
            under.setdefault((None, 0), []).append((counter, session, cid))
        elif len(each.causes) == 1 and each.causes[0] in puts and offset < len(puts[each.causes[0]][4]):
            under.setdefault((each.causes[0], offset), []).append((counter, session, cid))
    gone = {
        (each.causes[0], at)
        for each, start, count in takes
        if len(each.causes) == 1 and each.causes[0] in puts
        for at in range(start, min(start + count, len(puts[each.causes[0]][4])))
    }
    found, stack = [], [(None, 0)]
    while stack:
        run, at = stack.pop()
        if run is not None:
            found.append((run, at, puts[run][4][at]))
            if at + 1 < len(puts[run][4]):
                stack.append((run, at + 1))
        children = sorted(under.get((run, at), []), key=lambda child: (child[0], child[1], bytes(child[2])))
        stack += [(cid, 0) for _, _, cid in children]
    return [each for each in found if each[:2] not in gone]


def chain(rows, entity):
    """What the tuples of `character` say in a row."""
    after = {row[:2]: row[2:] for row in rows}
    assert len(after) == len(rows), "nothing has two successors"
    found, at = [], (entity, 0)
    while at in after:
        run, place, character = after[at]
        found.append((run, place, character))
        assert len(found) <= len(rows), "the chain has an end"
        at = run, place
    return found

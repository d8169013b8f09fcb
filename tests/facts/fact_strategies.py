"""Generated values, facts, deltas and IPLD nodes, and what a hostile hand makes of their bytes."""

import random

from hypothesis import strategies as st

from rhizomedb.facts import Cid, Delta, Fact, Group, HybridTime, Key

KEYS = [Key(bytes([number]) * 32) for number in range(1, 4)]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
integers = st.one_of(
    st.sampled_from([0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1, -1, -24, -25, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
floats = st.floats(allow_nan=False, allow_infinity=False)
cids = st.integers(0, 50).map(lambda number: Cid.of(b"%d" % number))
attributes = st.one_of(st.sampled_from(["name", "runtime", "title"]), texts, integers, floats, st.binary(max_size=40))
values = st.one_of(st.booleans(), integers, floats, texts, st.binary(max_size=40), cids, st.text("ab", max_size=300))
facts = st.builds(
    Fact, st.one_of(st.binary(min_size=16, max_size=16), st.binary(max_size=40)), attributes, values,
    st.one_of(st.just(()), st.lists(cids, max_size=30)),
)  # fmt: skip
times = st.builds(HybridTime, st.integers(0, 2**48 - 1), st.integers(0, 2**16 - 1))
groups = st.builds(Group, st.binary(min_size=1, max_size=64), st.integers(1, 65_536))
deltas = st.builds(
    Delta.sign,
    st.sampled_from(KEYS),
    system=texts.filter(lambda text: 1 <= len(text.encode()) <= 128),
    time=times,
    facts=st.lists(facts, min_size=1, max_size=6, unique=True),
    edge=st.none() | st.binary(min_size=1, max_size=40),
    group=st.none() | groups,
    scope=st.sampled_from(["seen", "own"]),
)

nodes = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**64), 2**64 - 1),
        integers,
        floats,
        texts,
        st.binary(max_size=40),
        cids,
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)

HEADS = bytes.fromhex("00171818191a1b2038404158595b5f606178797f808184989fa0a1b8bfd82af4f5f6f7f9fafbff42")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A block after one to three changes, of kinds that parsers stumble over."""
    block = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(block) + 1)
        match chance.randrange(6):
            case 0 if at < len(block):
                block[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(block):
                block[at] = chance.choice(HEADS)
            case 2:
                block[at:at] = bytes([chance.choice(HEADS)])
            case 3:
                del block[at : at + chance.randint(1, 4)]
            case 4:
                del block[at:]
            case _:
                start = chance.randrange(len(block) + 1)
                block[at:at] = block[start : start + chance.randint(1, 42)]
    return bytes(block)

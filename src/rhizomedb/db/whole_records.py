"""Records of a view in which some attributes belong together (`crdt/together.py`): those come from one delta or author, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rhizomedb.facts.value import Attribute, Cell, exact

if TYPE_CHECKING:
    from rhizomedb.crdt.policy import Choice, Policy
    from rhizomedb.crdt.together import Given, Together
    from rhizomedb.db.view import Register


def groups_of(given: Given) -> tuple[Together, ...]:
    """The groups that are given; most views have none."""
    if given == ():
        return ()
    from rhizomedb.crdt.together import together_of

    return together_of(given)


def choices(policy: Policy, registers: Sequence[Register], groups: Sequence[Together]) -> dict[Attribute, Choice]:
    """What a policy shows of the registers of one entity, in their order."""
    if not groups:
        return {register.attribute: policy.choose(register.claims) for register in registers}
    from rhizomedb.crdt.together import choose_together

    claims = {exact(register.attribute): register.claims for register in registers}
    chosen: dict[Cell, Choice] = {}
    belonging: set[Cell] = set()
    for group in groups:
        names = [exact(name) for name in group.names]
        belonging.update(names)
        chosen.update(choose_together(policy, {name: claims[name] for name in names if name in claims}, group.of))
    shown: dict[Attribute, Choice] = {}
    for register in registers:
        name = exact(register.attribute)
        if name not in belonging:
            shown[register.attribute] = policy.choose(register.claims)
        elif name in chosen:
            shown[register.attribute] = chosen[name]
    return shown

"""What several writers do to counters, sets and maps, and where keys are pressed: the same for every engine.

Every writer has members and keys of their own: what is concurrent on one key ends otherwise in each engine, and all have to
end alike to be compared. An operation is (attribute, value, the number of the writer's operation that it has seen).
"""

from __future__ import annotations

import random
from typing import Any

Operation = tuple[str, Any, int | None]


def places(size: int, count: int) -> list[int]:
    """Positions anywhere in a text that grows by one each time."""
    chance = random.Random(7)
    return [chance.randint(0, size + number) for number in range(count)]


def steps(writers: int, each: int) -> list[list[Operation]]:
    """Small steps up and down."""
    chance = random.Random(1)
    return [
        [("counter/add", chance.choice([-2, -1, 1, 2, 3]), number - 1 if number else None) for number in range(each)]
        for _ in range(writers)
    ]


def members(writers: int, each: int) -> list[list[Operation]]:
    """Members put in, every third of them taken out again."""
    said: list[list[Operation]] = []
    for writer in range(writers):
        of_one: list[Operation] = []
        for number in range(each):
            if number % 4 == 3:
                of_one.append(("set/remove", of_one[number - 1][1], number - 1))
            else:
                of_one.append(("set/add", f"{writer}.{number}", None))
        said.append(of_one)
    return said


def entries(writers: int, each: int) -> list[list[Operation]]:
    """Keys written, written again, and some deleted; four operations a key."""
    said: list[list[Operation]] = []
    for writer in range(writers):
        of_one: list[Operation] = []
        for number in range(each):
            key = f"{writer}.{number // 4}"
            if number % 4 == 3 and number % 8 == 7:
                of_one.append(("map/delete", key, number - 1))
            else:
                of_one.append((key, number, number - 1 if number % 4 else None))
        said.append(of_one)
    return said

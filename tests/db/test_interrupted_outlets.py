"""Ctrl-C at every place of an outlet where Python looks for it: no change is lost, none comes twice."""

from __future__ import annotations

import sys

import pytest

from rhizomedb.db.live.outlet import Outlet
from rhizomedb.db.live.view_change import Difference

MOVES = 6
PLACES_MAX = 1_000


class Silent:
    """A view that has nothing to tell by itself."""

    is_behind = False

    def _pull(self):
        return False

    def _holding_back(self):
        return None

    def _detach(self, outlet):
        pass


class Looks:
    """Lets Ctrl-C come once, at the place of that number of all that are come by."""

    def __init__(self, at):
        self.left = at

    @property
    def has_come(self):
        return self.left <= 0

    def __call__(self, frame, event, argument):
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith("/db/live/outlet.py"):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    def done(self, call):
        """What a call gives, done again where it was stopped."""
        had_come = self.has_come
        sys.setprofile(self)
        try:
            return call()
        except KeyboardInterrupt:
            assert not had_come
        finally:
            sys.setprofile(None)
        return call()


def run(overflow, buffer, looks):
    """What was told of some moves, and how many were dropped."""
    outlet = Outlet(Silent(), ("r",), buffer, overflow)
    taken = []

    def take():
        change = outlet._next() if outlet._buffer else None
        if change is not None:
            taken.append(change)

    for serial in range(1, MOVES + 1):
        told = {"r": Difference([(serial,)], [])}
        looks.done(lambda serial=serial, told=told: outlet._offer(serial, serial, serial - 1, told))
        if serial % 3 == 0:  # so that the buffer fills
            looks.done(take)
    while outlet._buffer:
        looks.done(take)
    return [row[0] for change in taken for row in change["r"].plus], sum(change.missed for change in taken)


@pytest.mark.parametrize("overflow", ["wait", "drop-oldest", "coalesce"])
@pytest.mark.parametrize("buffer", [1, 2, MOVES])
def test_each_change_comes_once(overflow, buffer):
    at = 1
    while (looks := Looks(at)) and at < PLACES_MAX:
        seen, missed = run(overflow, buffer, looks)
        assert seen == sorted(set(seen)) and len(seen) + missed == MOVES, (at, seen, missed)
        if not looks.has_come:
            break
        at += 1
    assert 20 < at < PLACES_MAX

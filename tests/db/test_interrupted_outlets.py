"""Ctrl-C at every place of an outlet where Python looks for it: no change is lost, none comes twice."""

from __future__ import annotations

import sys

import pytest

from rhizomedb.db.outlet import OVERFLOWS, Outlet
from rhizomedb.db.view_change import Difference

MOVES = 6


class Silent:
    """A view that has nothing to tell by itself."""

    is_behind = False

    def _pull(self):
        return False

    def _holding_back(self):
        return None

    def _detach(self, outlet):
        pass


def interrupted(at, call):
    """What a call gives, with Ctrl-C at one of the places within it; whether it came."""
    left = at

    def look(frame, event, argument):
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith("/db/outlet.py"):
            left -= 1
            if not left:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        return call(), False
    except KeyboardInterrupt:
        return None, True
    finally:
        sys.setprofile(None)


def offered(outlet, serial):
    """What moves up to one told."""
    row = {"r": Difference([(serial,)], [])}
    outlet._offer(serial, serial, serial - 1, row)


@pytest.mark.parametrize("overflow", ["wait", "drop-oldest", "coalesce"])
@pytest.mark.parametrize("buffer", [1, 2, MOVES])
def test_each_change_comes_once(overflow, buffer):
    assert overflow in OVERFLOWS
    at, has_come = 0, True
    while has_come:
        at += 1
        has_come = False
        outlet = Outlet(Silent(), ("r",), buffer, overflow)
        seen, missed = [], 0

        def take(outlet=outlet):
            return outlet._next() if outlet._buffer else None

        for serial in range(1, MOVES + 1):
            for call in (lambda outlet=outlet, serial=serial: offered(outlet, serial), take):
                if call is take and serial % 3:
                    continue  # so that the buffer fills
                change, was = interrupted(10**9 if has_come else at, call)
                has_come = has_come or was
                if was:  # what was stopped is done again
                    change, _ = interrupted(10**9, call)
                if call is take and change is not None:
                    seen += [row[0] for row in change["r"].plus]
                    missed += change.missed
                if not has_come:
                    at_left = at
            assert outlet._overflow == "wait" or len(outlet._buffer) <= buffer
        while outlet._buffer:
            change = outlet._next()
            seen += [row[0] for row in change["r"].plus]
            missed += change.missed
        assert sorted(seen) == seen and len(set(seen)) == len(seen), at
        assert len(seen) + missed == MOVES, (at, seen, missed)

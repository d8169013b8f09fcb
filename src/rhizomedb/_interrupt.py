"""Ctrl-C at the two ends of a command: before it has begun anything, and when it has done and said everything.

In between Python raises `KeyboardInterrupt` as ever. While modules are imported it would come out of places that print
a stack trace, and at the very end it would give an exit code for what was not interrupted.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` without the time that its enumerations take
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

EXIT_CODE = 130


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End the process at once: nothing was begun, so there is nothing to undo."""
    try:
        os.write(2, b"interrupted; nothing was begun\n")
    finally:
        os._exit(EXIT_CODE)


def before_work() -> None:
    """From now on an interrupt ends the process in a word, unless whoever started it wants interrupts ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def at_work() -> None:
    """From now on an interrupt is raised, if `before_work` was called."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def after_work() -> None:
    """From now on an interrupt is nothing: what is left is to leave."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

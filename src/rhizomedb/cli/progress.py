"""Progress on a terminal: how far a long reading or writing is, how fast it goes, how long it will take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Final, TextIO

from rhizomedb.cli.terminal import bytes_text, duration_text, fit, is_terminal, safe

_BAR_CELLS: Final = 24
_SECONDS_BETWEEN: Final = 0.1


class ProgressBar:
    """A line on the error stream that says how far something is, how fast, and how long it will take.

    Call it with what is done and what there is in all (0 if unknown). It draws only where a person watches, and is
    gone when its `with` ends.

        with ProgressBar("importing imdb.csv", sys.stderr) as bar:
            for row in table.rows(progress=bar): ...
    """

    def __init__(
        self,
        label: str,
        stream: TextIO,
        *,
        unit: Callable[[float], str] = bytes_text,
        clock: Callable[[], float] = time.monotonic,
        enabled: bool | None = None,
    ) -> None:
        self._label = safe(label)
        self._stream = stream
        self._unit = unit
        self._clock = clock
        self._enabled = is_terminal(stream) if enabled is None else enabled
        self._started = clock()
        self._drawn = float("-inf")
        self._marks = "█░" if "utf" in (getattr(stream, "encoding", None) or "").lower() else "#."

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._enabled and self._drawn > float("-inf"):
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is; most calls draw nothing, so call as often as is convenient."""
        now = self._clock()
        if not self._enabled or now - self._drawn < _SECONDS_BETWEEN:
            return
        self._drawn = now
        line = fit(self.line(done, total, now - self._started), shutil.get_terminal_size().columns - 1)
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()

    def line(self, done: int, total: int, seconds: float) -> str:
        """What the bar shows after so many seconds."""
        rate = done / seconds if seconds > 0 else 0.0
        parts = [self._label]
        if total > 0:
            share = min(1.0, done / total)
            full = int(share * _BAR_CELLS)
            parts += [self._marks[0] * full + self._marks[1] * (_BAR_CELLS - full), f"{share:4.0%}"]
        else:
            parts.append(self._unit(done))
        if rate > 0 and seconds >= 1:
            parts.append(f"{self._unit(rate)}/s")
            if total > done:
                parts.append(f"{duration_text((total - done) / rate)} left")
        return "  ".join(parts)

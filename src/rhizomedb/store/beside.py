"""A thread beside what goes on, for the parts of a great write that hold no lock of Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Result = TypeVar("Result")


class Beside:
    """One thread, begun when there is first something for it to do, and let go when the write ends.

    Where none is to be had, because the process is about to end or may have no more of them, work is done at once.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._worker: Executor | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is a thread."""
        return self._worker is not None

    def do(self, work: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Do some work; what it comes to, or raises."""
        from concurrent.futures import Future  # 10 ms, which only great writes should pay

        try:
            if self._worker is None:
                from concurrent.futures import ThreadPoolExecutor

                self._worker = ThreadPoolExecutor(1, self._name)  # one, for each would keep memory of its own
            return self._worker.submit(work, *arguments)
        except RuntimeError:
            self._worker = None
        future: Future[Result] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Let the thread go when it has done what it was given. Safe to call twice."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown()

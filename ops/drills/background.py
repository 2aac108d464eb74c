"""Work that goes on while something else is done."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Background(ABC):
    """Works in a thread of its own, from when it is entered until it is left.

    What the thread raises is raised where it is left, unless something failed there already: nothing that was watched
    or written is judged by half of it.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  raised again where it is left
            self._failure = error

    @abstractmethod
    def _work(self) -> None:
        """Work until ``_stop`` is set."""

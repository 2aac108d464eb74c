"""Work in a background thread for the duration of a ``with`` block."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Background(ABC):
    """Runs :meth:`_work` in a thread while its ``with`` block runs.

    An exception of the thread is raised at the end of the block, unless the block itself failed: an incomplete
    observation is never judged.

    Args:
        name: The thread's name.
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
        except BaseException as error:  # noqa: BLE001  raised again by __exit__
            self._failure = error

    @abstractmethod
    def _work(self) -> None:
        """Work until ``_stop`` is set."""

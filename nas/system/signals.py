"""Being told to stop: noted at once, obeyed where nothing is lost."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, a terminal or connection that is closed."""


class StopRequests:
    """Within it SIGNALS are noted, and calling it says whether one came; a second one ends at once.

    For the main thread, where Python lets signals be handled.
    """

    def __init__(self) -> None:
        self._came: signal.Signals | None = None
        self._before = {one: signal.getsignal(one) for one in SIGNALS}

    def __call__(self) -> bool:
        return self._came is not None

    def leave(self) -> NoReturn:
        """End as the signal that came would have ended it: `nas.cli.run` turns it into the exit code."""
        assert self._came is not None
        raise KeyboardInterrupt(self._came)

    def __enter__(self) -> Self:
        for one in SIGNALS:
            signal.signal(one, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came is not None:
            raise KeyboardInterrupt(self._came)
        self._came = signal.Signals(number)

"""Requests to stop: a signal is noted at once, and the work stops at the next point where nothing is lost."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Sent by Ctrl-C, by `kill`, and when a terminal or connection is closed."""


class StopRequests:
    """A context that notes SIGNALS: calling it tells whether one came; a second one interrupts at once.

    Only for the main thread, where Python lets signals be handled.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._previous_handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def __call__(self) -> bool:
        return self._received is not None

    def raise_interrupt(self) -> NoReturn:
        """Raise the received signal as a KeyboardInterrupt, which `nas.cli.run` turns into the exit code."""
        assert self._received is not None
        raise KeyboardInterrupt(self._received)

    def __enter__(self) -> Self:
        for number in SIGNALS:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            raise KeyboardInterrupt(self._received)
        self._received = signal.Signals(number)

"""A command at a terminal of its own, as a user sits before it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.study_commands import ENVIRONMENT, PATIENCE, kill_group

# Ctrl-C reaches the process whose controlling terminal it is.
PRELUDE = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from nas import cli
from nas.play import __main__ as play
cli.run(play.main, "nas.play")
"""
A_MOMENT = 0.2


class Terminal:
    """What was printed so far, and a keyboard. Line breaks are `\\r\\n`, as a terminal has them."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._here, there = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE, *argv],
            stdin=there,
            stdout=there,
            stderr=there,
            text=True,
            env=os.environ | ENVIRONMENT | {"INPUTRC": os.devnull, "TERM": "dumb"} | environment,
            start_new_session=True,
        )
        os.close(there)
        self.printed = ""
        self._bytes = b""
        self._seen = 0

    def enter(self, line: str, prompt: str = ">>> ") -> None:
        """Type a line once the prompt is there: before it, the terminal is not yet the line editor's."""
        self.wait_for_text(prompt)
        os.write(self._here, f"{line}\n".encode(errors="surrogateescape"))

    def press(self, key: str, pattern: str) -> re.Match[str]:
        """Press a key until a match is printed, after a user's moment.

        A signal in the microseconds between Python's printing a prompt and its waiting is seen with the next alone.
        """
        while True:
            time.sleep(A_MOMENT)
            os.write(self._here, key.encode())
            with contextlib.suppress(AssertionError):
                return self.wait_for(pattern, seconds=PATIENCE / 10)
            assert self.process.poll() is None, self.printed

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """The first match behind the one before, as soon as it is printed."""
        deadline = time.monotonic() + seconds
        while not (found := re.compile(pattern).search(self.printed, self._seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.printed[self._seen :]!r}"
            assert self._read(), f"ended without {pattern!r}: {self.printed[self._seen :]!r}"
        self._seen = found.end()
        return found

    def wait_for_text(self, text: str) -> None:
        self.wait_for(re.escape(text.replace("\n", "\r\n")))

    def end(self) -> int:
        """The exit code, once all is printed."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"does not end: {self.printed[self._seen :]!r}"
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        kill_group(self.process)
        os.close(self._here)

    def _read(self) -> bool:
        """Wait a moment for more; whether there can be any."""
        if not select.select([self._here], [], [], 0.1)[0]:
            return True
        try:
            more = os.read(self._here, 65536)
        except OSError:  # how Linux tells that the other end is closed
            more = b""
        self._bytes += more
        self.printed = self._bytes.decode(errors="replace")
        return bool(more)


@contextlib.contextmanager
def at_terminal(*argv: object, cache: Path, **environment: str) -> Iterator[Terminal]:
    """`nas.play` with these arguments, its history below `cache`; killed at the end where it still runs."""
    terminal = Terminal([str(one) for one in argv], {"CODENAS_CACHE": str(cache), **environment})
    try:
        yield terminal
    finally:
        terminal.close()

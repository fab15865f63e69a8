"""A command at a pseudo-terminal of its own, as a user starts it."""

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

# Ctrl-C reaches only a process whose controlling terminal it is.
PRELUDE = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from nas import cli
from nas.play import __main__ as play
cli.run(play.main, "nas.play")
"""
USER_DELAY_SECONDS = 0.2


class Terminal:
    r"""The text printed so far, and a keyboard. Line breaks are `\r\n`, as in a terminal."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            text=True,
            env=os.environ | ENVIRONMENT | {"INPUTRC": os.devnull, "TERM": "dumb"} | environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.printed = ""
        self._bytes = b""
        self._seen = 0

    def enter(self, line: str, prompt: str = ">>> ") -> None:
        """Type a line once the prompt is printed: before that, the line editor does not own the terminal."""
        self.wait_for_text(prompt)
        os.write(self._ours, f"{line}\n".encode(errors="surrogateescape"))

    def press(self, key: str, pattern: str) -> re.Match[str]:
        """Press a key, after a short delay, until a match is printed.

        Python notices a signal that comes between printing a prompt and waiting for input only with the next one.
        """
        while True:
            time.sleep(USER_DELAY_SECONDS)
            os.write(self._ours, key.encode())
            with contextlib.suppress(AssertionError):
                return self.wait_for(pattern, seconds=PATIENCE / 10)
            assert self.process.poll() is None, self.printed

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Return the first match after the previous one, as soon as it is printed."""
        deadline = time.monotonic() + seconds
        while not (match := re.compile(pattern).search(self.printed, self._seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.printed[self._seen :]!r}"
            assert self._read(), f"ended without {pattern!r}: {self.printed[self._seen :]!r}"
        self._seen = match.end()
        return match

    def wait_for_text(self, text: str) -> None:
        self.wait_for(re.escape(text.replace("\n", "\r\n")))

    def end(self) -> int:
        """Wait until the command ends and return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"the command does not end: {self.printed[self._seen :]!r}"
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        kill_group(self.process)
        os.close(self._ours)

    def _read(self) -> bool:
        """Wait briefly for more output; return False once there can be none."""
        if not select.select([self._ours], [], [], 0.1)[0]:
            return True
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # Linux raises it when the other end is closed
            more = b""
        self._bytes += more
        self.printed = self._bytes.decode(errors="replace")
        return bool(more)


@contextlib.contextmanager
def at_terminal(*argv: object, cache: Path, **environment: str) -> Iterator[Terminal]:
    """Start `nas.play` with its history below `cache`; it is killed at the end if it still runs."""
    terminal = Terminal([str(argument) for argument in argv], {"CODENAS_CACHE": str(cache), **environment})
    try:
        yield terminal
    finally:
        terminal.close()

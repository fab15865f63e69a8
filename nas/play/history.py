"""Lines that were typed, kept between sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.play.shown import note
from nas.system.files import write_atomically

MAX_LINES = 1000


@contextmanager
def line_editing(history: Path | None) -> Iterator[bool]:
    """Inside, `input` edits lines and remembers those typed before, from the file `history` where one is given.

    Yields whether it does: a Python without `readline` reads plain lines. A file that cannot be read or written is
    said and no failure. Of two sessions at once, the one that ends last leaves its lines.
    """
    try:
        import readline
    except ImportError:
        yield False
        return
    if history and history.exists():
        _attempt(lambda: readline.read_history_file(history))
    readline.set_history_length(MAX_LINES)
    try:
        yield True
    finally:
        if history:
            _attempt(lambda: write_atomically(history, readline.write_history_file))


def _attempt(action: Callable[[], object]) -> None:
    try:
        action()
    except OSError as error:
        note(f"the history is not kept: {error.strerror or error}")

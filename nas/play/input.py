"""Input at the prompt: one line or several, edited and kept between sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nas import cli
from nas.play.display import note
from nas.system.files import write_atomically

FIRST, MORE = ">>> ", "... "
BLOCK, BLOCK_END = ":{", ":}"
MAX_HISTORY_LINES = 1000
_OPENERS = (":", "(", "[", "{", ",", "\\")


def read_input(read_line: Callable[[str], str]) -> str | None:
    """Return one input without its last line break; None when Ctrl-C cancelled it after its first line.

    A line is complete as it is. After one that opens a block or is indented, input continues up to an empty line; the
    lines between `:{` and `:}` may be empty. `read_line` is `input` or equivalent; its EOFError, and its
    KeyboardInterrupt on the first line, are raised to the caller.
    """
    first = read_line(FIRST)
    try:
        if first == BLOCK:
            return "\n".join(iter(lambda: read_line(MORE), BLOCK_END))
        rest = iter(lambda: read_line(MORE), "") if opens_block(first) else ()
        return "\n".join([first, *rest])
    except KeyboardInterrupt as interrupt:
        if cli.is_termination(interrupt):
            raise
        print()
        return None


def opens_block(line: str) -> bool:
    """Return whether more lines follow a first line, by its form alone, as at Python's own prompt."""
    return line.rstrip().endswith(_OPENERS) or line.startswith((" ", "\t", "@"))


@contextmanager
def line_editing(history: Path | None) -> Iterator[bool]:
    """Let `input` edit lines and recall earlier ones, also those in the file `history` if one is given.

    Yields whether it does: a Python without `readline` reads plain lines. A file that cannot be read or written is
    reported and is not an error. When two sessions run at once, the lines of the one that ends last are kept.
    """
    try:
        import readline
    except ImportError:
        yield False
        return
    if history and history.exists():
        _try_history(lambda: readline.read_history_file(history))
    readline.set_history_length(MAX_HISTORY_LINES)
    try:
        yield True
    finally:
        if history:
            _try_history(lambda: write_atomically(history, readline.write_history_file))


def _try_history(action: Callable[[], object]) -> None:
    try:
        action()
    except OSError as error:
        note(f"the history is not kept: {error.strerror or error}")

"""What a user types at the prompt: one line, or several."""

from __future__ import annotations

from collections.abc import Callable

from nas import cli

FIRST, MORE = ">>> ", "... "
BLOCK, BLOCK_END = ":{", ":}"
_OPENERS = (":", "(", "[", "{", ",", "\\")


def read_typed(ask: Callable[[str], str]) -> str | None:
    """One input as it was typed, without the last line break; None where a Ctrl-C dropped it half-way.

    A line is sent as it is. After one that opens more, or that is indented, input goes on up to an empty line; what
    stands between `:{` and `:}` is taken with its empty lines. `ask` is `input` or like it; its EOFError, and its
    KeyboardInterrupt on the first line, are the caller's.
    """
    first = ask(FIRST)
    try:
        if first == BLOCK:
            return "\n".join(iter(lambda: ask(MORE), BLOCK_END))
        rest = iter(lambda: ask(MORE), "") if goes_on(first) else ()
        return "\n".join([first, *rest])
    except KeyboardInterrupt as interrupt:
        if cli.is_termination(interrupt):
            raise
        print()
        return None


def goes_on(line: str) -> bool:
    """Whether a first line is the beginning of more: as Python's own prompt has it, by its look alone."""
    return line.rstrip().endswith(_OPENERS) or line.startswith((" ", "\t", "@"))

"""What reaches the terminal: completions as they are written, and short notes about them."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from nas.cli import printable
from nas.evaluate.collapse import collapse_rule
from nas.inference.completion_stream import CompletionStream
from nas.play.settings import Settings

FAINT, NORMAL = "\033[2m", "\033[22m"


def is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def dim(text: str, stream: TextIO) -> str:
    """Faint on a terminal that has colours."""
    return f"{FAINT}{text}{NORMAL}" if is_coloured(stream) else text


def note(text: str) -> None:
    """One line beside the completion, which alone is on stdout."""
    print(dim(printable(text), sys.stderr), file=sys.stderr, flush=True)


def show(stream: CompletionStream) -> None:
    """Print the pieces as they come: control characters escaped on a terminal, elsewhere the exact text."""
    is_terminal = sys.stdout.isatty()
    for piece in stream:
        print(printable(piece) if is_terminal else piece, end="", flush=True)


def note_cut(stream: CompletionStream, max_seq_length: int) -> None:
    """Say it where the model has not read the whole prompt."""
    if stream.num_truncated:
        note(
            f"the prompt is too long for this model's {max_seq_length} tokens: "
            f"its first {stream.num_truncated} were left out"
        )


def note_full(stream: CompletionStream, settings: Settings, max_seq_length: int) -> None:
    """Say it where the model's length ended a completion before `max_bytes` did.

    Not said where it is not known: where a stop may have ended it, or where bytes that are no UTF-8, each shown as
    U+FFFD, may have filled `max_bytes`.
    """
    is_known = not settings.stop and len(stream.text.encode()) < settings.max_bytes
    if is_known and not stream.ended:
        note(f"stopped before max_bytes {settings.max_bytes}: the text fills this model's {max_seq_length} tokens")


def rule_of(stream: CompletionStream, prompt: str) -> str | None:
    """The rule that calls a completion collapsed. One that a stop or a lack of room leaves empty is not called so."""
    return collapse_rule(stream.text, prompt, ended=stream.ended) if stream.text or stream.ended else None


def note_collapse(stream: CompletionStream, prompt: str) -> None:
    """For people: what is piped elsewhere is judged by nas.evaluate."""
    if sys.stderr.isatty() and (rule := rule_of(stream, prompt)):
        note(f"collapsed: {rule}")

"""Display in the terminal: completions as they are generated, and short notes about them."""

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
    """Return whether `stream` is a terminal with colours that the user has not switched off."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def dim(text: str, stream: TextIO) -> str:
    """Return `text`, faint if `stream` has colours."""
    return f"{FAINT}{text}{NORMAL}" if is_coloured(stream) else text


def note(text: str) -> None:
    """Print one line on stderr; stdout has only completions."""
    print(dim(printable(text), sys.stderr), file=sys.stderr, flush=True)


def show(stream: CompletionStream) -> None:
    """Print a completion piece by piece: control characters escaped on a terminal, else the exact text."""
    is_terminal = sys.stdout.isatty()
    for piece in stream:
        print(printable(piece) if is_terminal else piece, end="", flush=True)


def note_truncated_prompt(stream: CompletionStream, max_seq_length: int) -> None:
    """Tell the user when the model has not read the whole prompt."""
    if stream.num_truncated:
        note(
            f"the prompt is too long for this model's {max_seq_length} tokens: "
            f"its first {stream.num_truncated} were left out"
        )


def note_length_limit(stream: CompletionStream, settings: Settings, max_seq_length: int) -> None:
    """Tell the user when the model's length ended a completion before `max_bytes` did.

    Nothing is printed where the cause is uncertain: a stop may have ended it, or bytes that are not UTF-8, each shown
    as U+FFFD, may have filled `max_bytes`.
    """
    is_certain = not settings.stop and len(stream.text.encode()) < settings.max_bytes
    if is_certain and not stream.ended:
        note(f"stopped before max_bytes {settings.max_bytes}: the text fills this model's {max_seq_length} tokens")


def stream_collapse_rule(stream: CompletionStream, prompt: str) -> str | None:
    """Return the rule by which a completion has collapsed; one that a stop or a limit left empty has not."""
    return collapse_rule(stream.text, prompt, ended=stream.ended) if stream.text or stream.ended else None


def note_collapse(stream: CompletionStream, prompt: str) -> None:
    """Tell a user at a terminal that a completion has collapsed; for files, nas.evaluate does this."""
    if sys.stderr.isatty() and (rule := stream_collapse_rule(stream, prompt)):
        note(f"collapsed: {rule}")

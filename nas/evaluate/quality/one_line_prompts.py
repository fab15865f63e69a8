"""Prompts of one line, as a person starts a piece of code: the same 256 for every model."""

from __future__ import annotations

from pathlib import Path

ONE_LINE_PROMPTS_VERSION = 1


def one_line_prompts() -> tuple[str, ...]:
    """The prompts in the file's order, without line breaks.

    They stand in groups: functions, classes, methods, imports, `try` and `with` and their kin, decorators,
    comprehensions and lambdas, coroutines, control flow, the rest of a module. A line of the file is a
    prompt, so the file holds no comments. Unlike prompts cut from code they have no human continuation.
    """
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    return tuple(text.removesuffix("\n").split("\n"))

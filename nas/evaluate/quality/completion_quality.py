"""The quality of one completion: its category, its collapse rule, and whether it is junk or valid Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nas.evaluate.collapse import collapse_rule
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.junk import is_junk
from nas.evaluate.quality.origin_categories import MODE_COLLAPSE, REPETITIVE, origin_category, repetition_ratio
from nas.evaluate.quality.syntax import is_python_so_far


@dataclass(frozen=True)
class CompletionQuality:
    """A completion and its measures, made once; reports and comparisons only count them."""

    completion: Completion
    category: str
    """The origin's category."""
    rule: str | None
    """The detector's collapse rule, None for a healthy completion."""
    repetition: float
    """Share of the most common character."""
    is_junk: bool
    """Whether it is token soup; a collapsed completion never counts as junk too."""
    is_python: bool | None
    """None where the prompt is unknown, or cannot itself begin a file, such as an `except`."""

    @classmethod
    def measure(cls, completion: Completion) -> Self:
        """Measure a completion; its text is parsed and never executed."""
        text, prompt = completion.completion, completion.prompt
        rule = collapse_rule(text, prompt or "", ended=completion.ended)
        can_begin = prompt is not None and is_python_so_far(prompt, "")
        return cls(
            completion=completion,
            category=origin_category(text),
            rule=rule,
            repetition=repetition_ratio(text),
            is_junk=rule is None and is_junk(text),
            is_python=is_python_so_far(prompt, text) if prompt is not None and can_begin else None,
        )

    @property
    def text(self) -> str:
        """The completion's text."""
        return self.completion.completion

    @property
    def is_origin_failure(self) -> bool:
        """Whether the origin's report counts the completion as a failure."""
        return self.category in (MODE_COLLAPSE, REPETITIVE)

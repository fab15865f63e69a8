"""One completion and all that is said of it."""

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
    """A completion, judged once; reports and comparisons only count. The text is never executed."""

    completion: Completion
    category: str
    """The seed's."""
    rule: str | None
    """The detector's, None for a healthy one."""
    repetition: float
    is_junk: bool
    """Token soup; a collapsed completion is not called junk too."""
    is_python: bool | None
    """None where the prompt is not known, or is itself not the beginning of a file, such as an `except`."""

    @classmethod
    def of(cls, completion: Completion) -> Self:
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
        return self.completion.completion

    @property
    def is_origin_failure(self) -> bool:
        return self.category in (MODE_COLLAPSE, REPETITIVE)

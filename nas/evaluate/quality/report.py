"""The quality of many completions as plain data: the origin's figures, and beside them ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from nas.evaluate.collapse import RULES
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.origin_categories import (
    CATEGORIES,
    distinct_characters,
    failure_pattern,
    has_keyword,
    has_operator,
    has_parentheses,
)
from nas.evaluate.quality.statistics import wilson_interval

_PATTERNS_KEPT = 5
_MAX = 0.5


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Share(_Plain):
    """So many completions of all, with Wilson's 95% interval of the rate."""

    count: int
    rate: float
    interval: tuple[float, float]


class Pattern(_Plain):
    """What failed completions begin with, and how many of all do so."""

    pattern: str
    count: int
    rate: float


class Example(_Plain):
    """One completion with what is said of it."""

    index: int | None
    prompt: str | None
    completion: str
    category: str
    rule: str | None
    distinct_characters: int
    repetition_ratio: float


class QualityReport(_Plain):
    """What `nas.evaluate --json` prints for one input and protocol. Intervals are Wilson's, 95%."""

    input: str
    """The checkpoint or file, as it was given."""
    protocol: str | None
    """None for completions of another protocol than ours."""
    num_params: int | None
    """Of the model; None for a file."""
    vocab_size: int | None
    n: int
    left_out: int
    """Prompts after which max_seq_length has no room."""
    cut_short: int
    """Completions that reached max_seq_length before the protocol's limit."""
    categories: dict[str, Share]
    """The seed's, all five."""
    failure_rate: float
    """The seed's: repetitive or mode_collapse."""
    failure_rate_interval: tuple[float, float]
    collapse_rate: float
    """Ours: completions on which one of the detector's rules fires."""
    collapse_rate_interval: tuple[float, float]
    collapse_rules: dict[str, int]
    """Rule -> completions on which it fired first."""
    repetition_ratio: float
    """Mean share of a completion's most common character."""
    distinct_characters: float
    """Mean number of different characters."""
    keyword_rate: float
    keyword_rate_interval: tuple[float, float]
    operator_rate: float
    operator_rate_interval: tuple[float, float]
    parenthesis_rate: float
    parenthesis_rate_interval: tuple[float, float]
    junk_rate: float
    """Token soup that has not collapsed."""
    junk_rate_interval: tuple[float, float]
    syntax_rate: float | None
    """Prompt and completion are the beginning of a Python file; None where that can be asked of no prompt."""
    syntax_rate_interval: tuple[float, float] | None
    syntax_n: int
    """Completions whose prompt is known and can itself begin a file."""
    failure_patterns: tuple[Pattern, ...]
    """The most common, of completions that fail by the origin's categories or by the detector."""
    examples: tuple[Example, ...]
    """The first completion of each category."""

    @property
    def is_collapsed(self) -> bool:
        """Whether most completions have collapsed, by the lower end of the interval."""
        return self.collapse_rate_interval[0] > _MAX

    @property
    def is_junk(self) -> bool:
        """The same of token soup."""
        return self.junk_rate_interval[0] > _MAX


_RATES: Mapping[str, Callable[[CompletionQuality], bool]] = {
    "failure": lambda one: one.is_origin_failure,
    "collapse": lambda one: one.rule is not None,
    "keyword": lambda one: has_keyword(one.text),
    "operator": lambda one: has_operator(one.text),
    "parenthesis": lambda one: has_parentheses(one.text),
    "junk": lambda one: one.is_junk,
}


def report(
    judged: Sequence[CompletionQuality],
    name: str,
    protocol: str | None = None,
    *,
    num_params: int | None = None,
    vocab_size: int | None = None,
    left_out: int = 0,
    cut_short: int = 0,
) -> QualityReport:
    """Count what was judged, at least one completion; `name` says where the completions are from."""
    n = len(judged)
    categories = Counter(one.category for one in judged)
    rules = Counter(one.rule for one in judged)
    asked = [one.is_python for one in judged if one.is_python is not None]
    return QualityReport(
        input=name,
        protocol=protocol,
        num_params=num_params,
        vocab_size=vocab_size,
        n=n,
        left_out=left_out,
        cut_short=cut_short,
        categories={category: _share(categories[category], n) for category in CATEGORIES},
        collapse_rules={rule: rules[rule] for rule in RULES if rules[rule]},
        repetition_ratio=sum(one.repetition for one in judged) / n,
        distinct_characters=sum(distinct_characters(one.text) for one in judged) / n,
        syntax_rate=sum(asked) / len(asked) if asked else None,
        syntax_rate_interval=wilson_interval(sum(asked), len(asked)) if asked else None,
        syntax_n=len(asked),
        failure_patterns=_failure_patterns(judged),
        examples=_examples(judged),
        **_rates(judged),
    )


def _rates(judged: Sequence[CompletionQuality]) -> dict[str, Any]:
    shares = {name: _share(sum(map(test, judged)), len(judged)) for name, test in _RATES.items()}
    rates = {f"{name}_rate": one.rate for name, one in shares.items()}
    return rates | {f"{name}_rate_interval": one.interval for name, one in shares.items()}


def _share(count: int, total: int) -> Share:
    return Share(count=count, rate=count / total, interval=wilson_interval(count, total))


def _failure_patterns(judged: Sequence[CompletionQuality]) -> tuple[Pattern, ...]:
    failed = Counter(failure_pattern(one.text) for one in judged if one.is_origin_failure or one.rule is not None)
    return tuple(
        Pattern(pattern=pattern, count=count, rate=count / len(judged))
        for pattern, count in failed.most_common(_PATTERNS_KEPT)
    )


def _examples(judged: Sequence[CompletionQuality]) -> tuple[Example, ...]:
    first: dict[str, CompletionQuality] = {}
    for one in judged:
        first.setdefault(one.category, one)
    return tuple(
        Example(
            index=one.completion.index,
            prompt=one.completion.prompt,
            completion=one.text,
            category=one.category,
            rule=one.rule,
            distinct_characters=distinct_characters(one.text),
            repetition_ratio=one.repetition,
        )
        for one in (first[category] for category in CATEGORIES if category in first)
    )

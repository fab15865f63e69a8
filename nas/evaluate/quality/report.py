"""The quality of many completions as plain data: the origin's figures and ours."""

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

_NUM_PATTERNS = 5
_MAJORITY = 0.5


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Share(_Data):
    """The number and rate of some completions among all, with Wilson's 95% interval of the rate."""

    count: int
    rate: float
    interval: tuple[float, float]


class Pattern(_Data):
    """The beginning of failed completions, and how many of all completions have it."""

    pattern: str
    count: int
    rate: float


class Example(_Data):
    """One completion with its measures."""

    index: int | None
    prompt: str | None
    completion: str
    category: str
    rule: str | None
    distinct_characters: int
    repetition_ratio: float


class QualityReport(_Data):
    """The object that `nas.evaluate --json` prints for one input and protocol; intervals are Wilson's, 95%."""

    input: str
    """The checkpoint or file, as given on the command line."""
    protocol: str | None
    """None for completions generated under none of PROTOCOLS."""
    num_params: int | None
    """Parameters of the model; None for a file."""
    vocab_size: int | None
    n: int
    """Number of completions."""
    left_out: int
    """Prompts that leave too little room in max_seq_length."""
    cut_short: int
    """Completions that reached max_seq_length before the protocol's limit."""
    categories: dict[str, Share]
    """All five categories of the origin."""
    failure_rate: float
    """The origin's failures: repetitive or mode_collapse."""
    failure_rate_interval: tuple[float, float]
    collapse_rate: float
    """Share of completions on which a rule of the detector fires."""
    collapse_rate_interval: tuple[float, float]
    collapse_rules: dict[str, int]
    """Rule -> number of completions on which it fired first."""
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
    """Share of token soup that has not collapsed."""
    junk_rate_interval: tuple[float, float]
    syntax_rate: float | None
    """Share where prompt and completion begin a valid Python file; None where no prompt can begin one."""
    syntax_rate_interval: tuple[float, float] | None
    syntax_n: int
    """Number of completions whose prompt is known and can itself begin a file."""
    failure_patterns: tuple[Pattern, ...]
    """The most common patterns of completions that fail by the origin's categories or by the detector."""
    examples: tuple[Example, ...]
    """The first completion of each category."""

    @property
    def is_collapsed(self) -> bool:
        """Whether most completions have collapsed, judged by the lower end of the interval."""
        return self.collapse_rate_interval[0] > _MAJORITY

    @property
    def is_junk(self) -> bool:
        """Whether most completions are token soup, judged by the lower end of the interval."""
        return self.junk_rate_interval[0] > _MAJORITY


_RATES: Mapping[str, Callable[[CompletionQuality], bool]] = {
    "failure": lambda quality: quality.is_origin_failure,
    "collapse": lambda quality: quality.rule is not None,
    "keyword": lambda quality: has_keyword(quality.text),
    "operator": lambda quality: has_operator(quality.text),
    "parenthesis": lambda quality: has_parentheses(quality.text),
    "junk": lambda quality: quality.is_junk,
}


def quality_report(
    qualities: Sequence[CompletionQuality],
    name: str,
    protocol: str | None = None,
    *,
    num_params: int | None = None,
    vocab_size: int | None = None,
    left_out: int = 0,
    cut_short: int = 0,
) -> QualityReport:
    """Return the report of at least one completion; `name` is the checkpoint or file that they come from."""
    n = len(qualities)
    categories = Counter(quality.category for quality in qualities)
    rules = Counter(quality.rule for quality in qualities)
    parsed = [quality.is_python for quality in qualities if quality.is_python is not None]
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
        repetition_ratio=sum(quality.repetition for quality in qualities) / n,
        distinct_characters=sum(distinct_characters(quality.text) for quality in qualities) / n,
        syntax_rate=sum(parsed) / len(parsed) if parsed else None,
        syntax_rate_interval=wilson_interval(sum(parsed), len(parsed)) if parsed else None,
        syntax_n=len(parsed),
        failure_patterns=_failure_patterns(qualities),
        examples=_examples(qualities),
        **_rates(qualities),
    )


def _rates(qualities: Sequence[CompletionQuality]) -> dict[str, Any]:
    shares = {name: _share(sum(map(holds, qualities)), len(qualities)) for name, holds in _RATES.items()}
    rates = {f"{name}_rate": share.rate for name, share in shares.items()}
    return rates | {f"{name}_rate_interval": share.interval for name, share in shares.items()}


def _share(count: int, total: int) -> Share:
    return Share(count=count, rate=count / total, interval=wilson_interval(count, total))


def _failure_patterns(qualities: Sequence[CompletionQuality]) -> tuple[Pattern, ...]:
    failed = [quality for quality in qualities if quality.is_origin_failure or quality.rule is not None]
    patterns = Counter(failure_pattern(quality.text) for quality in failed)
    return tuple(
        Pattern(pattern=pattern, count=count, rate=count / len(qualities))
        for pattern, count in patterns.most_common(_NUM_PATTERNS)
    )


def _examples(qualities: Sequence[CompletionQuality]) -> tuple[Example, ...]:
    """Return the first completion of each category."""
    first: dict[str, CompletionQuality] = {}
    for quality in qualities:
        first.setdefault(quality.category, quality)
    return tuple(_example(first[category]) for category in CATEGORIES if category in first)


def _example(quality: CompletionQuality) -> Example:
    return Example(
        index=quality.completion.index,
        prompt=quality.completion.prompt,
        completion=quality.text,
        category=quality.category,
        rule=quality.rule,
        distinct_characters=distinct_characters(quality.text),
        repetition_ratio=quality.repetition,
    )

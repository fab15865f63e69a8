"""The tables of experiments/origin_collapse/README.md, from the lines of its file."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.document import markdown
from experiments.origin_collapse.measurements import GREEDY_SAMPLING, ORIGIN_SAMPLING, CaseResult
from nas.evaluate.quality.origin_categories import CATEGORIES

_HEADER = (
    "case", "parameters", "steps", "val PPL", "bits per byte", "repetitive or mode_collapse", "the same after a colon",
    "collapsed, sampled", "collapsed, greedy", "repetition", "keywords", "audit",
)  # fmt: skip
_EXAMPLE_CHARACTERS = 60


def tables(results: Sequence[CaseResult]) -> str:
    """Return Markdown: all cases, the samplings of those with more than two, and what the first two wrote."""
    parts = [markdown(_HEADER, map(_row, results))]
    parts += [
        f"Sampling, case '{result.case}':\n\n{_sampling_table(result)}"
        for result in results
        if len(result.samplings) > 2
    ]
    return "\n\n".join([*parts, f"Completions, {ORIGIN_SAMPLING}:\n\n{_example_table(results[:2])}"])


def _row(result: CaseResult) -> list[str]:
    sampled = result.samplings[ORIGIN_SAMPLING]
    leaks = [check for check, outcome in result.audit.items() if outcome == "leak"]
    return [
        result.case,
        f"{result.num_params / 1e6:.2f}M",
        f"{result.num_steps:,}",
        f"{result.perplexity:,.2f}",
        f"{result.bpb:.3f}",
        f"{sampled['failure_rate']:.1%}",
        f"{result.failure_rate_after_colon:.1%}",
        f"{sampled['collapse_rate']:.1%}",
        f"{result.samplings[GREEDY_SAMPLING]['collapse_rate']:.1%}",
        f"{sampled['repetition_ratio']:.1%}",
        f"{sampled['keyword_rate']:.1%}",
        f"leak: {', '.join(leaks)}" if leaks else "passed",
    ]


def _sampling_table(result: CaseResult) -> str:
    rows = [
        [
            name,
            *(str(report["categories"][category]["count"]) for category in CATEGORIES),
            f"{report['collapse_rate']:.1%}",
        ]
        for name, report in result.samplings.items()
    ]
    return markdown(["sampling", *CATEGORIES, "collapsed"], rows)


def _example_table(results: Sequence[CaseResult]) -> str:
    """Return one completion of each of the origin's categories that a case has."""
    rows = [
        [
            _code(example["prompt"]),
            result.case,
            example["category"],
            _code(repr(example["completion"][:_EXAMPLE_CHARACTERS])),
        ]
        for result in results
        for example in result.samplings[ORIGIN_SAMPLING]["examples"]
    ]
    return markdown(["prompt", "case", "category", "completion"], rows)


def _code(text: str) -> str:
    """Return text as a cell, without the backticks and bars that would break the table."""
    return f"`{text.replace('`', ' ').replace('|', '¦')}`"

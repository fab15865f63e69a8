"""The tables of experiments/origin_collapse/README.md, from the lines of the cases alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.document import markdown
from nas.evaluate.quality.origin_categories import CATEGORIES

Line = dict[str, Any]
"""What `seed_collapse` keeps of one case: its samplings are `nas.evaluate`'s reports."""
SEEDS_OWN, GREEDY_NAME = "T 0.8, top-p 0.9, top-k 40", "greedy"
_HEADER = (
    "case", "parameters", "steps", "val PPL", "bits per byte", "repetitive or mode_collapse", "the same after a colon",
    "collapsed, sampled", "collapsed, greedy", "repetition", "keywords", "audit",
)  # fmt: skip
_EXAMPLE_CHARACTERS = 60


def tables_of(done: Sequence[Line]) -> str:
    """All cases; the samplings of those with more than two; what the first two wrote."""
    parts = [markdown(_HEADER, map(_row, done))]
    parts += [f"Sampling, case '{one['case']}':\n\n{_sampling_table(one)}" for one in done if len(one["samplings"]) > 2]
    return "\n\n".join([*parts, f"Completions, {SEEDS_OWN}:\n\n{_example_table(done[:2])}"])


def _row(one: Line) -> list[str]:
    sampled = one["samplings"][SEEDS_OWN]
    leaks = [check for check, verdict in one["audit"].items() if verdict == "leak"]
    return [
        one["case"],
        f"{one['num_params'] / 1e6:.2f}M",
        f"{one['num_steps']:,}",
        f"{one['perplexity']:,.2f}",
        f"{one['bpb']:.3f}",
        f"{sampled['failure_rate']:.1%}",
        f"{one['failure_rate_after_colon']:.1%}",
        f"{sampled['collapse_rate']:.1%}",
        f"{one['samplings'][GREEDY_NAME]['collapse_rate']:.1%}",
        f"{sampled['repetition_ratio']:.1%}",
        f"{sampled['keyword_rate']:.1%}",
        f"leak: {', '.join(leaks)}" if leaks else "passed",
    ]


def _sampling_table(one: Line) -> str:
    rows = [
        [
            name,
            *(str(found["categories"][category]["count"]) for category in CATEGORIES),
            f"{found['collapse_rate']:.1%}",
        ]
        for name, found in one["samplings"].items()
    ]
    return markdown(["sampling", *CATEGORIES, "collapsed"], rows)


def _example_table(done: Sequence[Line]) -> str:
    """One completion of each of the origin's categories that a case has."""
    rows = [
        [
            _code(example["prompt"]),
            one["case"],
            example["category"],
            _code(repr(example["completion"][:_EXAMPLE_CHARACTERS])),
        ]
        for one in done
        for example in one["samplings"][SEEDS_OWN]["examples"]
    ]
    return markdown(["prompt", "case", "category", "completion"], rows)


def _code(text: str) -> str:
    """Text in a cell: a backtick or a bar in it would break the table."""
    return f"`{text.replace('`', ' ').replace('|', '¦')}`"

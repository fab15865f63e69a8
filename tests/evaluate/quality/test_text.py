from __future__ import annotations

import pytest

from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.report import quality_report
from nas.evaluate.quality.text import conclusion

CODE = "\n    total = 0\n    for item in items:\n        total += item.price\n    return total\n"


@pytest.mark.parametrize(
    ("num_collapsed", "n", "state"),
    [
        (0, 3, "too few completions to tell"),
        (3, 3, "too few completions to tell"),
        (1, 3, "too few completions to tell"),
        (4, 4, "collapsed"),
        (0, 34, "too few completions to tell"),
        (0, 35, "rarely collapses"),
        (10, 20, "too few completions to tell"),
        (12, 24, "partly collapses"),
        (25, 256, "partly collapses"),
        (13, 256, "rarely collapses"),
        (200, 256, "collapsed"),
    ],
)
def test_the_conclusion_is_what_the_interval_of_the_rate_supports(num_collapsed: int, n: int, state: str) -> None:
    texts = [":" * 64] * num_collapsed + [CODE] * (n - num_collapsed)
    completions = [Completion(prompt="def f(items):", completion=text) for text in texts]
    report = quality_report(list(map(CompletionQuality.measure, completions)), "x")
    low, high = report.collapse_rate_interval
    assert conclusion(report).startswith(f"{state}: ")
    assert f"{num_collapsed / n:.1%} [{low:.1%}, {high:.1%}]" in conclusion(report)

from __future__ import annotations

import pytest

from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.report import report
from nas.evaluate.quality.text import verdict

CODE = "\n    total = 0\n    for item in items:\n        total += item.price\n    return total\n"


@pytest.mark.parametrize(
    ("num_collapsed", "n", "word"),
    [
        (0, 3, "too few completions to tell"),
        (3, 3, "too few completions to tell"),
        (1, 3, "too few completions to tell"),
        (4, 4, "collapsed"),
        (0, 34, "too few completions to tell"),
        (0, 35, "hardly collapses"),
        (10, 20, "too few completions to tell"),
        (12, 24, "collapses in part"),
        (25, 256, "collapses in part"),
        (13, 256, "hardly collapses"),
        (200, 256, "collapsed"),
    ],
)
def test_the_verdict_is_what_the_interval_of_the_rate_can_tell(num_collapsed: int, n: int, word: str) -> None:
    texts = [":" * 64] * num_collapsed + [CODE] * (n - num_collapsed)
    found = report([CompletionQuality.of(Completion(prompt="def f(items):", completion=one)) for one in texts], "x")
    low, high = found.collapse_rate_interval
    said = f"{word}: by the detector {num_collapsed / n:.1%} [{low:.1%}, {high:.1%}] collapsed, "
    assert verdict(found).startswith(said)

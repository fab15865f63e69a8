"""Can the result be trusted? Each check as a finding: fine, worth a look, or not known; from the records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nas.records.trial import TrialEnd, TrialRecord
from nas.report.study.intervals import fitness_noise
from nas.report.study.view import StudyView
from nas.space.dimension import NATURAL_MIN, Point

_MIN_FOR_EDGE = 3
"""Smallest number of values of a dimension whose edges are checked: with two values, each is an edge."""
_NOISE_MARGIN = 2.0
_CAUSES = {
    TrialEnd.STOPPED: "stopped early",
    TrialEnd.OVER_LIMIT: "over a limit",
    TrialEnd.OVER_MEASURED_LIMIT: "over a limit",
    TrialEnd.LEAK: "leak",
    TrialEnd.COLLAPSED: "collapsed",
    TrialEnd.DIVERGED: "diverged",
    TrialEnd.OUT_OF_MEMORY: "out of memory",
    TrialEnd.FAULT: "failed",
}
_EXPECTED = {TrialEnd.STOPPED, TrialEnd.OVER_LIMIT, TrialEnd.OVER_MEASURED_LIMIT}
"""Ends that a search plans for."""


@dataclass(frozen=True)
class Finding:
    """One check and its outcome."""

    name: str
    kind: Literal["fine", "look", "unknown"]
    words: str


def findings_of(view: StudyView) -> list[Finding]:
    """Return the outcome of each check; none before a trial has ended."""
    checks = (_leaks, _unfinished, _noise, _edges, _copies, _law) if view.records else ()
    return [check(view) for check in checks]


def lost_trials(view: StudyView) -> list[TrialRecord]:
    """Return the trials without a result that were not stopped by the stopping rule."""
    return [record for record in view.unfinished if record.end is not TrialEnd.STOPPED]


def _leaks(view: StudyView) -> Finding:
    leaking = [str(record.number) for record in view.records if record.end is TrialEnd.LEAK]
    if leaking:
        words = f"Refused, because the model can read what it predicts: trials {', '.join(leaking)}."
        return Finding("leak gates", "look", words)
    return Finding(
        "leak gates",
        "fine",
        "No trial was refused for reading what it predicts, or for scoring better than its size allows.",
    )


def _unfinished(view: StudyView) -> Finding:
    name = "trials without a result"
    expected = Counter(_CAUSES[record.end] for record in view.unfinished if record.end in _EXPECTED)
    unexpected = Counter(_CAUSES[record.end] for record in view.unfinished if record.end not in _EXPECTED)
    planned = f" {_counted(expected)}, as planned." if expected else ""
    if unexpected:
        return Finding(name, "look", f"Of {len(view.records)}: {_counted(unexpected)}.{planned}")
    return Finding(name, "fine", f"None diverged or failed.{planned}")


def _counted(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {cause}" for cause, number in causes.items())


def _noise(view: StudyView) -> Finding:
    name = "seed noise against the gap"
    if len(view.searched) < 2:
        return Finding(name, "unknown", "There are no two complete trials of the search to compare.")
    best, second = view.searched[:2]
    gap = (second.fitness or 0.0) - (best.fitness or 0.0)
    pair = f"trials {best.number} and {second.number}"
    between = f"the two best of the search, {pair}, are {gap:.3f} apart in fitness"
    noise = fitness_noise(view.study.verdict, view.weight)
    if noise is None:
        return Finding(name, "unknown", f"On validation {between}. No architecture was trained with two seeds here.")
    spread = f"one training of the finalists varies by {noise.sd:.3f} (standard deviation over seeds)"
    if gap < _NOISE_MARGIN * noise.sd:
        why = "their order may be chance, which is why the finalists are trained again"
        return Finding(name, "look", f"On validation {between}, and {spread}: {why}.")
    return Finding(name, "fine", f"On validation {between}; {spread}.")


def _edges(view: StudyView) -> Finding:
    name = "edges of the space"
    searched, best, target = view.study.space.get("search", {}), view.best, view.at_target
    if best is None or not searched or best.reference:
        return Finding(name, "unknown", "The search has no best architecture of its own that could lie at an edge.")
    edges = []
    if hit := _edges_hit(searched, best.point):
        edges.append(f"The best lies at {hit}. A wider range may hold a better one.")
    if target is not None and target.best != target.searched and (hit := _edges_hit(searched, target.best.point)):
        edges.append(
            f"The predicted best at {target.target_flops:.2g} FLOPs lies at {hit}. A wider range may hold a better one "
            "for so much training."
        )
    if edges:
        return Finding(name, "look", " ".join(edges))
    return Finding(name, "fine", "The best lies inside every numeric range that was searched.")


def _edges_hit(searched: Mapping[str, Any], point: Point) -> str:
    return "; ".join(
        f"{dimension} = {value:g}, the {edge} allowed"
        for dimension, allowed in searched.items()
        if dimension in point and (edge := _edge(dimension, allowed, value := point[dimension]))
    )


def _edge(dimension: str, allowed: Any, value: Any) -> str | None:
    """Return at which end of the allowed values `value` is; None if at neither, or at one that cannot be moved."""
    if isinstance(allowed, dict) and {"min", "max"} <= allowed.keys():
        low, high = allowed["min"], allowed["max"]
    elif isinstance(allowed, list) and len(allowed) >= _MIN_FOR_EDGE and _are_numbers([*allowed, value]):
        low, high = min(allowed), max(allowed)
    else:
        return None
    if low == high or not _are_numbers([value]):
        return None
    if value >= high:
        return "maximum"
    return "minimum" if value <= low and low != NATURAL_MIN.get(dimension) else None


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _copies(view: StudyView) -> Finding:
    name = "copies across the split"
    similarity = view.study.corpus.get("similarity")
    if not isinstance(similarity, dict) or "train_to_evaluation_at_most" not in similarity:
        return Finding(name, "unknown", "This record does not say how similar the held-out text is to training text.")
    seen = view.study.corpus.get("splits", {}).get("holdout", {}).get("seen_line_share")
    words = (
        "The similarity of a validation or holdout document to a training document is at most "
        f"{similarity['train_to_evaluation_at_most']:.2f} (of 1), and at most "
        f"{similarity.get('copied_share_at_most', 0.0):.0%} of one occurs word for word in training."
    )
    words += f" {seen:.0%} of the holdout's lines occur in training." if seen is not None else ""
    return Finding(name, "fine", words)


def _law(view: StudyView) -> Finding:
    name = "the law's prediction"
    if view.law is None:
        return Finding(name, "unknown", f"There is none: {view.no_law_reason or 'this record has no law'}.")
    forecast = view.law.forecast
    words = (
        f"Tested on {forecast.num_trials} trials at {forecast.train_flops:.2g} FLOPs that it was not fitted to: off by "
        f"{forecast.unseen.mean_absolute_error:.3f} bits per byte on average; it ranks them with a correlation of "
        f"{forecast.unseen.rank_correlation:.2f} (Spearman)."
    )
    if view.law.shortcomings:
        return Finding(name, "look", f"{words} Do not rely on it: {'; '.join(view.law.shortcomings)}.")
    return Finding(name, "fine", words)

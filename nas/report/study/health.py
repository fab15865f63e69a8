"""Can the result be trusted? Each check as a finding: fine, worth a look, or not known; from the records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nas.records.holdout_comparison import chosen_trial
from nas.records.study import StudyRecord, TrialEnd, TrialRecord, completed
from nas.report.parts.markup import paragraph, section, text
from nas.report.study.intervals import fitness_noise
from nas.scaling_law.fitted import Choice, NoLaw, ScalingLaw
from nas.space.dimension import NATURAL_MIN

_MIN_FOR_EDGE = 3
"""Of a dimension with two values each is an edge."""
_NOISE_MARGIN = 2.0


@dataclass(frozen=True)
class Finding:
    """One check and what it found."""

    name: str
    kind: Literal["fine", "look", "unknown"]
    words: str


def findings_of(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> list[Finding]:
    """Nothing before a trial has ended."""
    if not records:
        return []
    checks: list[Callable[[], Finding]] = [
        lambda: _leaks(records),
        lambda: _unfinished(records),
        lambda: _noise(study, records, collapse_weight),
        lambda: _edges(study, records, collapse_weight),
        lambda: _copies(study),
        lambda: _law(study),
    ]
    return [check() for check in checks]


def health_section(findings: Sequence[Finding], records: Sequence[TrialRecord]) -> str:
    if not findings:
        return ""
    items = "".join(
        f'<li class="{one.kind}"><b>{_WORDS[one.kind]}</b><p><strong>{text(one.name)}.</strong> {text(one.words)}</p>'
        "</li>"
        for one in findings
    )
    return section("Health", f'<ul class="checks">{items}</ul>', _reasons(records))


_WORDS = {"fine": "✓ fine", "look": "! look", "unknown": "? unknown"}


def _leaks(records: Sequence[TrialRecord]) -> Finding:
    found = [one for one in records if one.end is TrialEnd.LEAK]
    if found:
        return Finding("leak gates", "look", f"Refused, as they can read what they predict: {_numbers(found)}.")
    return Finding(
        "leak gates",
        "fine",
        "No trial was refused for reading what it predicts, or for being better than its size allows.",
    )


def kind_of(record: TrialRecord) -> str:
    """Why a trial has no result, in a word or two."""
    return _KINDS[record.end]


_KINDS = {
    TrialEnd.STOPPED: "stopped early by the rungs",
    TrialEnd.OVER_LIMIT: "over a limit",
    TrialEnd.OVER_MEASURED_LIMIT: "over a limit",
    TrialEnd.LEAK: "leak",
    TrialEnd.COLLAPSED: "collapsed",
    TrialEnd.DIVERGED: "diverged",
    TrialEnd.OUT_OF_MEMORY: "out of memory",
    TrialEnd.FAULT: "failed",
}


def _unfinished(records: Sequence[TrialRecord]) -> Finding:
    ended = Counter(kind_of(one) for one in records if not one.is_complete)
    bad = {name: number for name, number in ended.items() if name not in ("stopped early by the rungs", "over a limit")}
    rest = {name: number for name, number in ended.items() if name not in bad}
    planned = f" {_counted(rest)}, as planned." if rest else ""
    if bad:
        return Finding("trials without a result", "look", f"Of {len(records)}: {_counted(bad)}.{planned}")
    return Finding("trials without a result", "fine", f"None diverged or failed.{planned}")


def _noise(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> Finding:
    name = "seed noise against the gap"
    ranked = [one for one in completed(records) if not one.reference]
    noise = fitness_noise(study.verdict, collapse_weight)
    if len(ranked) < 2:
        return Finding(name, "unknown", "There are no two complete trials of the search to compare.")
    gap = (ranked[1].fitness or 0.0) - (ranked[0].fitness or 0.0)
    pair = f"trials {ranked[0].number} and {ranked[1].number}"
    between = f"the two best of the search, {pair}, are {gap:.3f} apart in fitness"
    if noise is None:
        return Finding(name, "unknown", f"On validation {between}. No architecture was trained with two seeds here.")
    spread = f"one training of the finalists varies by {noise.sd:.3f} (standard deviation over seeds)"
    if gap < _NOISE_MARGIN * noise.sd:
        why = "their order there may be chance, which is why finalists are trained again"
        return Finding(name, "look", f"On validation {between}, and {spread}: {why}.")
    return Finding(name, "fine", f"On validation {between}; {spread}.")


def _edges(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> Finding:
    name = "edges of the space"
    best = chosen_trial(study, records, collapse_weight)
    searched = study.space.get("search", {})
    if best is None or not searched or best.reference:
        return Finding(name, "unknown", "There is no searched architecture that could lie at one.")
    found = []
    if hit := _edges_hit(searched, best):
        found.append(f"The best lies at {hit}. A wider range may hold a better one.")
    target = study.at_target
    if target is not None and target.best != target.searched and (hit := _edges_hit(searched, target.best)):
        found.append(
            f"What is predicted best at {target.target_flops:.2g} FLOPs lies at {hit}. For so much training a wider "
            "range may hold a better one still."
        )
    if found:
        return Finding(name, "look", " ".join(found))
    return Finding(name, "fine", "The best lies inside every numeric range that was searched.")


def _edges_hit(searched: Mapping[str, Any], one: TrialRecord | Choice) -> str:
    hit = [
        f"{dimension} = {value:g}, the {edge} allowed"
        for dimension, allowed in searched.items()
        if dimension in one.point and (edge := _edge(dimension, allowed, value := one.point[dimension]))
    ]
    return "; ".join(hit)


def _edge(dimension: str, allowed: Any, value: Any) -> str | None:
    """Which end of what is allowed `value` is at, where that end could be moved."""
    if isinstance(allowed, dict) and {"min", "max"} <= allowed.keys():
        low, high = allowed["min"], allowed["max"]
    elif isinstance(allowed, list) and len(allowed) >= _MIN_FOR_EDGE and _are_numbers([*allowed, value]):
        low, high = min(allowed), max(allowed)
    else:
        return None
    if low == high or not _are_numbers([value]):
        return None
    if value >= high:
        return "most"
    return "least" if value <= low and low != NATURAL_MIN.get(dimension) else None


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values)


def _copies(study: StudyRecord) -> Finding:
    name = "copies across the split"
    found = study.corpus.get("similarity")
    if not isinstance(found, dict) or "train_to_evaluation_at_most" not in found:
        return Finding(name, "unknown", "This record does not say how like training the judged text is.")
    seen = study.corpus.get("splits", {}).get("holdout", {}).get("seen_line_share")
    words = (
        "No document of validation or holdout is more like one of training than "
        f"{found['train_to_evaluation_at_most']:.2f} (of 1), and at most {found.get('copied_share_at_most', 0.0):.0%} "
        "of one stands word for word in training."
    )
    words += f" {seen:.0%} of the holdout's lines stand in training." if seen is not None else ""
    return Finding(name, "fine", words)


def _law(study: StudyRecord) -> Finding:
    name = "the law's prediction"
    if isinstance(study.law, NoLaw):
        return Finding(name, "unknown", f"There is none: {study.law.reason}.")
    if not isinstance(study.law, ScalingLaw):
        return Finding(name, "unknown", "There is none in this record.")
    tested = study.law.forecast
    words = (
        f"Tested on {tested.num_trials} trials at {tested.train_flops:.2g} FLOPs that it had not seen: off by "
        f"{tested.unseen.mean_error:.3f} bits per byte, ranks them at {tested.unseen.rank_correlation:.2f} (Spearman)."
    )
    if study.law.shortcomings:
        return Finding(name, "look", f"{words} Not to be relied on: {'; '.join(study.law.shortcomings)}.")
    return Finding(name, "fine", words)


def _reasons(records: Sequence[TrialRecord]) -> str:
    """Every trial without a result, with its reason, but for those that the rungs stopped."""
    lost = [one for one in records if not one.is_complete and kind_of(one) != "stopped early by the rungs"]
    if not lost:
        return ""
    items = "".join(f"<li>{text(f'trial {one.number}, {one.state.lower()}: {one.reason}')}</li>" for one in lost)
    return paragraph("Without a result:", "soft") + f'\n<ul class="soft">{items}</ul>'


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in kinds.items())


def _numbers(records: Sequence[TrialRecord]) -> str:
    return "trials " + ", ".join(str(one.number) for one in records)

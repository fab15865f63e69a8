"""The top of the page: how far the search is, its best architecture, and how surely it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nas.records.holdout_comparison import Finalist
from nas.records.trial import TrialRecord
from nas.report.parts.words import MISSING, Tile, count, fixed, flops_words, sentence, title
from nas.report.study.health import Finding
from nas.report.study.intervals import fitness_noise, seed_noise, share_interval
from nas.report.study.view import StudyView
from nas.scaling_law.fitted_law import TargetChoice

_STATES = (("complete", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"))
_EQUAL_RATES = 0.0005
"""Collapse rates that differ by less are written as equal."""


@dataclass(frozen=True)
class Note:
    """A sentence; a warning stands out."""

    words: str
    is_warning: bool = False


@dataclass(frozen=True)
class Card:
    """An architecture at one budget."""

    heading: str
    short: str
    """The architecture in short; empty where there is none."""
    lines: Sequence[str]
    is_exported: bool = False
    """Whether `arch.json` holds it."""


def state(view: StudyView) -> str:
    study, records = view.study, view.records
    progress = "Complete" if study.complete else "Not complete: the search is running or was stopped"
    budget = f" (budget {study.budget})" if study.budget is not None else ""
    numbers = [(word, sum(record.state == state for record in records)) for word, state in _STATES]
    numbers.append(("references", sum(record.reference is not None for record in records)))
    counts = ", ".join(f"{number} {word}" for word, number in numbers if number)
    return f"{progress}. {_plural(len(records), 'trial')} ended{budget}" + (f": {counts}." if counts else ".")


def tiles(view: StudyView) -> list[Tile]:
    """Return the figures of the best architecture: of the holdout if there is a verdict, else of validation."""
    assert view.best is not None
    figures = _on_holdout(view, view.best_finalist) if view.best_finalist else _on_validation(view.best)
    return [tile for tile in figures if tile.value != MISSING]


def _on_validation(best: TrialRecord) -> list[Tile]:
    metrics = best.validation
    prompts = metrics.num_prompts if metrics else 0
    sampled = metrics.sampled_collapse_rate if metrics else None
    greedy = metrics.greedy_collapse_rate if metrics else None
    return [
        Tile("bits per byte, validation", fixed(best.val_bpb), "one seed"),
        Tile("the same on novel lines", fixed(best.val_novel_bpb)),
        Tile("collapse, sampled", fixed(sampled), _interval_of_share(sampled, prompts)),
        Tile("collapse, greedy", fixed(greedy), _interval_of_share(greedy, prompts)),
        Tile("fitness", fixed(best.fitness), "one seed"),
        Tile("parameters", count(best.architecture.num_params)),
    ]


def _on_holdout(view: StudyView, finalist: Finalist) -> list[Tile]:
    """Return means over fresh seeds, with their intervals; one seed has only that of the number of prompts."""
    results, seeds = view.study.verdict, finalist.num_seeds
    prompts = view.holdout_metrics.num_prompts if view.holdout_metrics else 0
    bpb = seed_noise(results, lambda metrics: metrics.bpb)
    collapse = seed_noise(results, lambda metrics: metrics.collapse_rate)
    fitness = fitness_noise(results, view.weight)
    rate, greedy, sampled = finalist.collapse_rate, finalist.greedy_collapse_rate, finalist.sampled_collapse_rate
    worse, other = ("greedy", "sampled") if greedy >= sampled else ("sampled", "greedy")
    rate_note = f"± {collapse.half_width(seeds):.3f}" if collapse else _interval_of_share(rate, prompts)
    return [
        Tile(
            "bits per byte, holdout",
            fixed(finalist.bpb),
            f"± {bpb.half_width(seeds):.3f}, {seeds} seeds" if bpb else "one seed",
        ),
        Tile("the same on novel lines", fixed(finalist.novel_bpb)),
        Tile(f"collapse, {worse}", fixed(rate), rate_note),
        Tile(f"collapse, {other}", fixed(min(greedy, sampled))),
        Tile("fitness", fixed(finalist.fitness), f"± {fitness.half_width(seeds):.3f}" if fitness else ""),
        Tile("perplexity", fixed(finalist.perplexity, 1), "within its vocabulary"),
    ]


def _interval_of_share(share: float | None, prompts: int) -> str:
    if share is None or not prompts:
        return ""
    low, high = share_interval(share, prompts)
    return f"{low:.2f} to {high:.2f}, 95%"


def notes(view: StudyView) -> list[Note]:
    """Return how the best compares with the references and, if it is not better, with a plain compressor."""
    return [*_against_references(view), *_against_gzip(view)]


def _against_references(view: StudyView) -> Iterator[Note]:
    if better := _better_on_holdout(view):
        yield Note(better)
        return
    if not view.searched or not view.references:
        return
    best, reference = view.searched[0], view.references[0]
    gap = (reference.fitness or 0.0) - (best.fitness or 0.0)
    if gap > 0 and view.comparison is None:
        yield Note(f"It beats the best reference, {title(reference)}, by {gap:.3f} in fitness on validation.")
    elif gap > 0:
        yield Note(
            f"On validation {title(best)} beats the best reference, {title(reference)}, by {gap:.3f} in fitness; on "
            "the holdout the selected architecture does not beat every reference.",
            is_warning=True,
        )
    else:
        yield Note(
            f"No searched architecture beats the reference {reference.reference} on validation: the best of them, "
            f"{title(best)}, has a fitness of {fixed(best.fitness)} against {fixed(reference.fitness)}.",
            is_warning=True,
        )


def _better_on_holdout(view: StudyView) -> str:
    """Return by how much the best beats the best reference on the holdout; empty if it does not."""
    best, finalists = view.best_finalist, view.comparison.finalists if view.comparison else ()
    numbers = {record.number for record in view.records if record.reference}
    reference = next((finalist for finalist in finalists if finalist.number in numbers), None)
    if best is None or reference is None or best.fitness >= reference.fitness:
        return ""
    bpb, collapse = reference.bpb - best.bpb, reference.collapse_rate - best.collapse_rate
    rates = f"a collapse rate that is {abs(collapse):.3f} {'lower' if collapse > 0 else 'higher'}"
    return (
        f"It beats the best reference, {title(view.by_number[reference.number])}, by "
        f"{reference.fitness - best.fitness:.3f} in fitness on the holdout: {abs(bpb):.3f} "
        f"{'fewer' if bpb >= 0 else 'more'} bits per byte, and "
        f"{'the same collapse rate' if abs(collapse) < _EQUAL_RATES else rates}."
    )


def _against_gzip(view: StudyView) -> Iterator[Note]:
    split = "holdout" if view.comparison else "validation"
    bpb = min(finalist.bpb for finalist in view.comparison.finalists) if view.comparison else view.ranked[0].val_bpb
    compressors = view.study.compressors.get(split, {})
    gzip = next((value for name, value in compressors.items() if name.startswith("gzip")), None)
    if gzip is not None and bpb is not None and bpb >= gzip:
        yield Note(
            f"The best model is not below gzip: {bpb:.3f} against {gzip:.3f} bits per byte on the same {split} bytes. "
            "A general compressor predicts this code as well; train longer before drawing conclusions.",
            is_warning=True,
        )


def cards(view: StudyView) -> list[Card]:
    """Return the best architecture at the search's budget, and the one predicted best at the target."""
    assert view.best is not None
    return [_at_search_budget(view, view.best), _at_full_budget(view, view.best)]


def _at_search_budget(view: StudyView, best: TrialRecord) -> Card:
    flops = f", {flops_words(best.cost.train_flops)} FLOPs" if best.cost else ""
    reason = f"is selected: {view.comparison.reason}" if view.comparison else "is the best on validation so far"
    on_holdout = f", {view.best_finalist.bpb:.3f} on the holdout" if view.best_finalist else ""
    name = title(best)
    return Card(
        f"At the search's budget{flops}",
        best.architecture.describe(),
        [
            f"{name[:1].upper()}{name[1:]} {reason}.",
            f"Bits per byte: {fixed(best.val_bpb)} on validation{on_holdout}.",
        ],
        is_exported=view.at_target is None or not view.at_target.is_trusted,
    )


def _at_full_budget(view: StudyView, best: TrialRecord) -> Card:
    target = view.at_target
    if target is None:
        later = "this record has none" if view.study.complete else "it is made at the end of a search"
        return Card("At the target", "", [f"No prediction: {view.no_law_reason or later}."])
    if target.best.architecture == best.architecture:
        lines = ["The same architecture.", f"Predicted {_interval(target.best)} bits per byte."]
    else:
        lines = [
            f"{sentence(target.best.architecture)}.",
            f"Predicted {_interval(target.best)} bits per byte; the best of the search {_interval(target.searched)}, "
            f"worse with a probability of {target.win_probability:.0%}.",
        ]
    return Card(
        f"Predicted at the target, {flops_words(target.target_flops)} FLOPs",
        target.best.architecture.describe(),
        [*lines, *(f"Do not rely on this prediction: {reason}." for reason in target.shortcomings)],
        is_exported=target.is_trusted,
    )


def _interval(choice: TargetChoice) -> str:
    return f"{choice.predicted.bpb:.3f} [{choice.predicted.low:.3f}, {choice.predicted.high:.3f}]"


def trust(findings: Sequence[Finding]) -> str:
    """Return how the health checks went, as one line."""
    look = [finding.name for finding in findings if finding.kind == "look"]
    fine = sum(finding.kind == "fine" for finding in findings)
    unknown = len(findings) - fine - len(look)
    parts = [f"{fine} of {len(findings)} checks are fine"]
    if look:
        parts.append(f"{len(look)} {'needs' if len(look) == 1 else 'need'} a look ({', '.join(look)})")
    if unknown:
        parts.append(f"{unknown} could not be made")
    return ", ".join(parts)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

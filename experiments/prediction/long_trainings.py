"""Architectures of a search trained for longer: which ones, and how they compare with what the law predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from experiments.document import markdown
from nas.records.fitness import pareto_front
from nas.records.trial import TrialRecord
from nas.scaling_law.fitted_law import TargetComparison

PREDICTED_BEST = "predicted best"
_HEADER = ("architecture", "", "in the search", "predicted, 90%", "measured")


@dataclass(frozen=True)
class LongTraining:
    """One architecture at the target budget, predicted and measured."""

    name: str
    architecture: str
    rank: int | None
    """Its place in the search, from 0; None where the search did not train it."""
    in_search: str
    """Bits per byte in the search, and at which rung where it was stopped below the top."""
    predicted: float
    low: float
    high: float
    measured: float


def spread(records: Sequence[TrialRecord], count: int) -> list[TrialRecord]:
    """Return the front of bits per byte and parameters, and trials evenly spaced in rank, best first.

    Trials that were stopped rank after all that reached a higher rung, by their bits per byte where they stopped.
    """
    ranked = sorted(
        (record for record in records if record.rungs),
        key=lambda record: (-len(record.rungs), record.rungs[-1].val_bpb, record.number),
    )
    complete = [record for record in ranked if record.is_complete]
    front = pareto_front([(record.rungs[-1].val_bpb, float(record.architecture.num_params)) for record in complete])
    places = [*front[: count // 2]]
    rest = [place for place in range(len(ranked)) if place not in places]
    step = max(1.0, len(rest) / max(1, count - len(places)))
    places += [rest[int(index * step)] for index in range(min(count - len(places), len(rest)))]
    return [ranked[place] for place in sorted(places)]


def score_in_search(record: TrialRecord) -> str:
    """Return the bits per byte of a trial as text, with the rung where it was stopped."""
    last = record.rungs[-1]
    return f"{last.val_bpb:.3f}" + ("" if record.is_complete else f" at rung {last.rung + 1}")


def tables(trainings: Sequence[LongTraining], at_target: TargetComparison) -> str:
    """Return Markdown: each architecture, then ranking, error and regret."""
    rows = [
        [
            training.name,
            training.architecture,
            training.in_search,
            f"{training.predicted:.3f} [{training.low:.3f}, {training.high:.3f}]",
            f"{training.measured:.3f}",
        ]
        for training in sorted(trainings, key=lambda training: training.measured)
    ]
    return "\n\n".join([markdown(_HEADER, rows), *summary(trainings, at_target)])


def summary(trainings: Sequence[LongTraining], at_target: TargetComparison) -> list[str]:
    """Return Kendall's tau of the search's ranking and of the law's, errors, coverage, and regret of the export."""
    from scipy.stats import kendalltau

    trials = sorted(
        (training for training in trainings if training.rank is not None), key=lambda trial: trial.rank or 0
    )
    measured = [trial.measured for trial in trials]
    rankings = "At least two trials are needed for a ranking."
    if len(trials) > 1:
        by_search = kendalltau([trial.rank for trial in trials], measured).statistic
        by_law = kendalltau([trial.predicted for trial in trials], measured).statistic
        rankings = f"Kendall's tau with the measured ranking: the search {by_search:.2f}, the law {by_law:.2f}."
    num_covered = sum(training.low <= training.measured <= training.high for training in trainings)
    error = mean(abs(trial.predicted - trial.measured) for trial in trials)
    best = min(training.measured for training in trainings)
    searched = trials[0]
    law_best = next(training for training in trainings if training.name == PREDICTED_BEST)
    shortcomings = "; ".join(at_target.shortcomings)
    exported = (
        PREDICTED_BEST if at_target.is_trusted else f"choice of the verdict, as the law is not trusted ({shortcomings})"
    )
    return [
        rankings,
        f"Mean error of a prediction {error:.3f} bits per byte; {num_covered} of {len(trainings)} are inside their "
        "intervals.",
        "Regret, relative to the best of these: "
        f"the search's first in bits per byte {searched.measured / best - 1:.1%}, "
        f"{PREDICTED_BEST} {law_best.measured / best - 1:.1%}. Exported is the {exported}.",
    ]

"""The trainings of experiments/signal and of the reference studies as points of a scaling law.

`python -m experiments.scaling_law.signal_points` prints how well a law of budgets up to 4e12 FLOPs predicts higher
ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from experiments.trainings import read_trainings
from nas.records.study import StudyRecord, read_study
from nas.records.trial import read_trials
from nas.scaling_law.fit import fit
from nas.scaling_law.fitted_law import ScalingLaw
from nas.scaling_law.forecast import score_forecast, spearman
from nas.scaling_law.law import ScalingPoint
from nas.search.extrapolation.predicted_best import VocabularyFacts
from nas.search.extrapolation.target import scaling_points
from nas.training.recipe import learning_rate_rule

ROOT = Path(__file__).parent.parent.parent
MAX_KNOWN_FLOPS = 4e12
"""The budget of the signal experiment, and of the top rung of the study `longer`."""


def reference_study() -> StudyRecord:
    """Return a study on the corpus that the trainings of experiments/signal used."""
    return read_study(ROOT / "trials/reference/longer/study.json")


def corpus_bytes() -> float:
    """Return the size of the training split."""
    return float(reference_study().corpus["splits"]["train"]["bytes"])


def vocabularies() -> dict[str, VocabularyFacts]:
    """Return the facts of each vocabulary of the reference study, by name."""
    manifests = reference_study().corpus["vocabularies"]
    return {
        name: VocabularyFacts(manifest["size"], corpus_bytes() / manifest["tokens"]["train"])
        for name, manifest in manifests.items()
    }


def signal_points() -> list[ScalingPoint]:
    """Return 24 architectures at 4e12 FLOPs with three seeds, some of them also at 1/3, 3 and 10 times as much."""
    return training_points(ROOT / "experiments/signal/signal.jsonl")


def training_points(path: Path) -> list[ScalingPoint]:
    """Return the trainings of a file of experiments/trainings.py."""
    facts = vocabularies()
    return [
        ScalingPoint(
            training.architecture,
            round(training.learning_rate / learning_rate_rule(training.architecture), 9),
            training.train_flops,
            training.num_steps * training.batch_tokens * facts[training.vocabulary].bytes_per_token,
            training.val_bpb,
        )
        for training in read_trainings(path).values()
    ]


def longer_points() -> list[ScalingPoint]:
    """Return trainings with ten times the FLOPs of the study `longer`: experiments/prediction's and the signal's."""
    return training_points(ROOT / "experiments/prediction/prediction.jsonl") + [
        point for point in signal_points() if point.train_flops > 5 * MAX_KNOWN_FLOPS
    ]


def reference_points(study: str = "longer") -> list[ScalingPoint]:
    """Return all rungs of the forty trials of a reference study."""
    return scaling_points(read_trials(ROOT / "trials/reference" / study / "trials.jsonl"))


def main() -> None:
    """Print the accuracy of the law at three and ten times the budget, and of its baselines."""
    points = signal_points()
    below = [point for point in points if point.train_flops <= MAX_KNOWN_FLOPS]
    methods = ("law, unseen", "law, seen", "same gain")
    heads = "".join(f"{method:>15}" for method in methods)
    print(f"{'fitted to trials up to 4e12':30}{'predicted':>10}{heads}{'size':>8}")
    for name, known in (("signal", below), ("signal and reference", below + reference_points())):
        for factor in (3, 10):
            above = [point for point in points if round(point.train_flops / MAX_KNOWN_FLOPS) == factor]
            tested = score_forecast(known, above, corpus_bytes())
            accuracies = (tested.unseen, tested.seen, tested.same_gain)
            cells = "".join(
                f"{accuracy.mean_absolute_error:9.3f} {accuracy.rank_correlation:5.2f}" for accuracy in accuracies
            )
            label = f"{name}, {len({point.trial for point in known})}"
            print(f"{label:30}{tested.num_trials:4} at {factor:2}x{cells}{tested.size_rank_correlation:8.2f}")
    print("mean absolute error in bits per byte, Spearman's rank correlation")
    _print_at_ten_times("longer")
    _print_at_ten_times("base")


def _print_at_ten_times(study: str) -> None:
    """Print the accuracy of a reference study's law at ten times its FLOPs."""
    law = fit(reference_points(study), corpus_bytes())
    assert isinstance(law, ScalingLaw)
    print(f"\nthe law of the 40 trials of trials/reference/{study} at ten times their FLOPs:")
    trained = training_points(ROOT / "experiments/prediction/prediction.jsonl")
    for name, points in (
        ("experiments/prediction/prediction.jsonl", trained),
        ("with experiments/signal/signal.jsonl", longer_points()),
    ):
        val_bpb = np.array([point.val_bpb for point in points])
        predicted = law.predict_all(points)
        num_inside = sum(law.interval(point).low < point.val_bpb < law.interval(point).high for point in points)
        print(
            f"{name}: {len(points)} trainings, mean absolute error {np.abs(predicted - val_bpb).mean():.3f}, "
            f"Spearman {spearman(predicted, val_bpb):.2f}, Kendall {kendalltau(predicted, val_bpb).statistic:.2f}, "
            f"{num_inside} in their 90% intervals; the predicted best is "
            f"{val_bpb[predicted.argmin()] / val_bpb.min() - 1:.1%} worse than the best"
        )


if __name__ == "__main__":
    main()

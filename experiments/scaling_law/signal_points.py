"""The trainings of experiments/signal/signal.jsonl and of the reference study as points of a scaling law.

`python -m experiments.scaling_law.signal_points` prints how well a law of the budgets up to 4e12 FLOPs foretells the higher ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from experiments.trainings import read_trained
from nas.records.study import StudyRecord, read_study, read_trials
from nas.scaling_law.fit import fit
from nas.scaling_law.fitted import ScalingLaw
from nas.scaling_law.forecast import score_forecast, spearman
from nas.scaling_law.law import ScalingPoint
from nas.search.extrapolation.best_at import VocabularyFacts
from nas.search.extrapolation.prediction import scaling_points
from nas.training.recipe import learning_rate_rule

ROOT = Path(__file__).parent.parent.parent
OWN_FLOPS = 4e12


def reference_study() -> StudyRecord:
    """On the same corpus as the trainings of the signal."""
    return read_study(ROOT / "trials/reference/longer/study.json")


def corpus_bytes() -> float:
    return float(reference_study().corpus["splits"]["train"]["bytes"])


def vocabularies() -> dict[str, VocabularyFacts]:
    found = reference_study().corpus["vocabularies"]
    return {name: VocabularyFacts(one["size"], corpus_bytes() / one["tokens"]["train"]) for name, one in found.items()}


def signal_points() -> list[ScalingPoint]:
    """24 architectures at 4e12 FLOPs with three seeds, some of them at a third, three and ten times as much."""
    return trained_points(ROOT / "experiments/signal/signal.jsonl")


def trained_points(path: Path) -> list[ScalingPoint]:
    """The trainings of a file of experiments/trainings.py."""
    facts = vocabularies()
    return [
        ScalingPoint(
            one.architecture,
            round(one.learning_rate / learning_rate_rule(one.architecture), 9),
            one.train_flops,
            one.num_steps * one.batch_tokens * facts[one.vocabulary].bytes_per_token,
            one.val_bpb,
        )
        for one in read_trained(path)
    ]


def longer_points() -> list[ScalingPoint]:
    """Trainings with ten times the FLOPs of the reference study's top rung: experiments/prediction/README.md's, and the signal's."""
    return trained_points(ROOT / "experiments/prediction/prediction.jsonl") + [
        one for one in signal_points() if one.train_flops > 5 * OWN_FLOPS
    ]


def reference_points(study: str = "longer") -> list[ScalingPoint]:
    """All rungs of the forty trials of a reference study, up to 4e12 FLOPs."""
    return scaling_points(read_trials(ROOT / "trials/reference" / study / "trials.jsonl"))


def main() -> None:
    points = signal_points()
    below = [one for one in points if one.train_flops <= OWN_FLOPS]
    heads = ("law, unseen", "law, seen", "same gain")
    print(f"{'fitted to trials up to 4e12':30}{'foretold':>10}{''.join(f'{one:>15}' for one in heads)}{'size':>8}")
    for name, fitted in (("signal", below), ("signal and reference", below + reference_points())):
        for factor in (3, 10):
            above = [one for one in points if round(one.train_flops / OWN_FLOPS) == factor]
            found = score_forecast(fitted, above, corpus_bytes())
            skills = (found.unseen, found.seen, found.same_gain)
            cells = "".join(f"{one.mean_error:9.3f} {one.rank_correlation:5.2f}" for one in skills)
            label = f"{name}, {len({one.trial for one in fitted})}"
            print(f"{label:30}{found.num_trials:4} at {factor:2}x{cells}{found.size_rank_correlation:8.2f}")
    print("mean error in bits per byte, Spearman's rank correlation")
    _print_at_ten_times("longer")
    _print_at_ten_times("base")


def _print_at_ten_times(study: str) -> None:
    """What the forty trials of a reference study say of ten times their FLOPs."""
    law = fit(reference_points(study), corpus_bytes())
    assert isinstance(law, ScalingLaw)
    print(f"\nthe law of the 40 trials of trials/reference/{study} at ten times their FLOPs:")
    trained = trained_points(ROOT / "experiments/prediction/prediction.jsonl")
    for name, points in (
        ("experiments/prediction/prediction.jsonl", trained),
        ("with experiments/signal/signal.jsonl", longer_points()),
    ):
        found = np.array([one.val_bpb for one in points])
        foretold = law.predict_all(points)
        inside = sum(law.interval(one).low < one.val_bpb < law.interval(one).high for one in points)
        print(
            f"{name}: {len(points)} trainings, mean error {np.abs(foretold - found).mean():.3f}, "
            f"Spearman {spearman(foretold, found):.2f}, Kendall {kendalltau(foretold, found).statistic:.2f}, "
            f"{inside} in their 90% intervals; its first is {found[foretold.argmin()] / found.min() - 1:.1%} "
            "behind the best"
        )


if __name__ == "__main__":
    main()

"""The trainings on python-100mb as points of a scaling law, to which the priors `MEASURED` were fitted.

`python -m experiments.scaling_law.larger_corpus_points` prints the law. The priors are tested only on another corpus,
the standard library: experiments/search_benchmark/README.md, experiments/prediction/README.md and
experiments/scaling_law/signal_points.py.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

import numpy as np

from experiments.full_training.runs import read_runs
from experiments.scaling_law.signal_points import ROOT
from nas.records.study import read_study
from nas.records.trial import read_trials
from nas.scaling_law.law import PARAMETERS, ScalingPoint, feature_centre, features
from nas.scaling_law.parameters import PUBLISHED, budget_weights, fit_parameters
from nas.search.extrapolation.target import scaling_points
from nas.training.recipe import learning_rate_rule

STUDY = ROOT / "trials/reference/python-100mb"


def corpus_bytes() -> float:
    """Return the size of the training split of python-100mb."""
    return float(read_study(STUDY / "study.json").corpus["splits"]["train"]["bytes"])


def search_points() -> list[ScalingPoint]:
    """Return all rungs of the study's forty trials, up to 1e12 FLOPs."""
    return scaling_points(read_trials(STUDY / "trials.jsonl"))


def full_training_points() -> list[ScalingPoint]:
    """Return the trainings without a teacher of experiments/full_training, means over seeds: 2e13 to 1e15 FLOPs."""
    runs = defaultdict(list)
    for run in read_runs(ROOT / "experiments/full_training/full-training.jsonl").values():
        if not run.teacher_flops:
            runs[run.architecture.id, run.train_flops].append(run)
    return [
        ScalingPoint(
            same[0].architecture,
            round(same[0].learning_rate / learning_rate_rule(same[0].architecture), 9),
            same[0].train_flops,
            same[0].train_bytes,
            mean(run.val_bpb for run in same),
        )
        for same in runs.values()
    ]


def fitted_parameters() -> dict[str, float]:
    """Fit a law to both sets of points under the priors `PUBLISHED`; full trainings weigh as much as the top rung."""
    searched, full = search_points(), full_training_points()
    uncentred = features(searched + full, corpus_bytes())
    val_bpb = np.array([point.val_bpb for point in searched + full])
    weights = np.concatenate([budget_weights(searched), np.ones(len(full))])
    parameters = fit_parameters(uncentred - feature_centre(uncentred), val_bpb, PUBLISHED, weights)
    return dict(zip(PARAMETERS, map(float, parameters), strict=True))


if __name__ == "__main__":
    print(f"law of {len(search_points())} results of a search and {len(full_training_points())} full trainings:")
    print(", ".join(f"{name} {value:.2f}" for name, value in fitted_parameters().items() if abs(value) >= 0.005))

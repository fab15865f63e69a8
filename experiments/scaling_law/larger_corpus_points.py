"""The trainings on python-100mb as points of a scaling law: what `MEASURED` was fitted to.

`python -m experiments.scaling_law.larger_corpus_points` prints the law. All that it is tested on is of another corpus, the standard
library's: experiments/search_benchmark/README.md, experiments/prediction/README.md, experiments/scaling_law/signal_points.py.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

import numpy as np

from experiments.full_training.runs import read_runs
from experiments.scaling_law.signal_points import ROOT
from nas.records.study import read_study, read_trials
from nas.scaling_law.law import PARAMETERS, Array, ScalingPoint, centre_of, features
from nas.scaling_law.parameters import PUBLISHED, budget_weights, fit_parameters
from nas.search.extrapolation.prediction import scaling_points
from nas.training.recipe import learning_rate_rule

STUDY = ROOT / "trials/reference/python-100mb"


def corpus_bytes() -> float:
    return float(read_study(STUDY / "study.json").corpus["splits"]["train"]["bytes"])


def searched_points() -> list[ScalingPoint]:
    """All rungs of forty trials, up to 1e12 FLOPs."""
    return scaling_points(read_trials(STUDY / "trials.jsonl"))


def full_points() -> list[ScalingPoint]:
    """The full trainings of experiments/full_training/README.md without a teacher, means over their seeds: 2e13 to 1e15 FLOPs."""
    runs = defaultdict(list)
    for one in read_runs(ROOT / "experiments/full_training/full-training.jsonl").values():
        if not one.teacher_flops:
            runs[one.architecture.id, one.train_flops].append(one)
    return [
        ScalingPoint(
            same[0].architecture,
            round(same[0].learning_rate / learning_rate_rule(same[0].architecture), 9),
            same[0].train_flops,
            same[0].train_bytes,
            mean(one.val_bpb for one in same),
        )
        for same in runs.values()
    ]


def measured() -> dict[str, float]:
    """The law of both about REFERENCE, under priors from publications; full trainings weigh as much as the top rung."""
    searched, full = searched_points(), full_points()
    at: Array = features(searched + full, corpus_bytes())
    val_bpb = np.array([one.val_bpb for one in searched + full])
    weights = np.concatenate([budget_weights(searched), np.ones(len(full))])
    found = fit_parameters(at - centre_of(at), val_bpb, PUBLISHED, weights)
    return dict(zip(PARAMETERS, map(float, found), strict=True))


if __name__ == "__main__":
    print(f"law of {len(searched_points())} results of a search and {len(full_points())} full trainings:")
    print(", ".join(f"{name} {value:.2f}" for name, value in measured().items() if abs(value) >= 0.005))

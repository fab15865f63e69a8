"""Propose by the scaling law: the architecture predicted to be best at the top rung, under a random draw of the law.

Thompson sampling (Thompson 1933; Chapelle and Li 2011): each proposal fits the law once, with random weights of trials
and random means of priors, and selects the best of many random architectures under that one draw. What is well known is
similar in all draws and decides; what is not differs between draws and is explored. Through its priors the law knows
before the first trial how width, depth, vocabulary and data trade off on another corpus, and it learns from every rung
of every trial, stopped ones included.

Shapes: r rungs of t trials, n candidates, F features of each; x (n, F) centred features (nas/scaling_law/law.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.architecture.config import ArchitectureConfig
from nas.records.trial import TrialRecord
from nas.scaling_law.law import SIZES, Array, ScalingPoint, TrainingPoint, feature_centre, features, log_bpb
from nas.scaling_law.parameters import MEASURED, budget_weights, fit_parameters
from nas.search.rungs.feasibility import relative_excess
from nas.space.search_space import Candidate, SearchSpace

POOL_SIZE = 300
"""Number of random architectures among which the law selects."""
MIN_RECORDS = 5
_CORPUS_BYTES = 1e18
"""A corpus that is never repeated: trials hardly repeat theirs."""
_RIDGE = 3.0
"""Penalty on effects, in trials."""
_LIMITS = ("max_decode_ms_per_token", "max_peak_memory_gb")


class LawProposer:
    """Selects among candidates by a law fitted to the records of a study; each seed draws another law."""

    def __init__(self, records: Sequence[TrialRecord], space: SearchSpace, collapse_weight: float) -> None:
        """Use `records` of trials with at least one rung."""
        self._space, self._collapse_weight = space, collapse_weight
        points = [
            ScalingPoint(*_training(record.architecture, record.lr_multiplier, rung.train_flops), rung.val_bpb)
            for record in records
            for rung in record.rungs
        ]
        self._val_bpb, self._budget_weights = np.array([point.val_bpb for point in points]), budget_weights(points)
        self._trial_of_point = np.array([index for index, record in enumerate(records) for _ in record.rungs])
        last = [np.flatnonzero(self._trial_of_point == index)[-1] for index in range(len(records))]
        self._last_rungs = np.array([record.rungs[-1].rung for record in records])
        self._collapse = np.array([record.rungs[-1].collapse_rate for record in records])
        excesses = [relative_excess(space.constraints, record.measured, None) for record in records]
        self._excess = np.array([[excess.get(name, 0.0) for name in _LIMITS] for excess in excesses])
        self._num_trials = len(records)
        uncentred = features(points, _CORPUS_BYTES)
        self._centre = feature_centre(uncentred)
        self._x = uncentred - self._centre
        self._x_last = self._x[np.array(last)]
        """Features (t, F) of the last rung of each trial."""

    def choose(self, pool: Sequence[Candidate], seed: int) -> int:
        """Return the index in `pool` of the lowest fitness predicted at the top rung by the law that `seed` draws.

        Only candidates predicted to satisfy every measured limit compete; if none does, the one with the smallest
        predicted excess wins.
        """
        rng = np.random.default_rng(seed)
        weights = rng.exponential(size=self._num_trials)
        priors = MEASURED.resample(rng)
        parameters = fit_parameters(
            self._x, self._val_bpb, priors, weights[self._trial_of_point] * self._budget_weights
        )
        top = self._space.training.rung_flops[-1]
        trainings = [TrainingPoint(*_training(option.architecture, option.lr_multiplier, top)) for option in pool]
        x = features(trainings, _CORPUS_BYTES) - self._centre
        collapse = self._predict_collapse(x, weights)
        excess = self._predict_excess(x, weights, collapse)
        fitness = np.exp(log_bpb(parameters, x)) + self._collapse_weight * collapse
        return int(np.lexsort((fitness, excess))[0])

    def _predict_collapse(self, x: Array, weights: Array) -> Array:
        """Return collapse rates (n,) at the top rung.

        Rates fall from rung to rung for all architectures, so each trial is compared with others of its last rung.
        """
        _, rung_index = np.unique(self._last_rungs, return_inverse=True)
        means = np.bincount(rung_index, weights * self._collapse) / np.bincount(rung_index, weights)
        excess = self._collapse - means[rung_index]
        rates: Array = np.clip(means[-1] + self._predict_effect(excess, x, weights), 0.0, 1.0)
        return rates

    def _predict_excess(self, x: Array, weights: Array, collapse: Array) -> Array:
        """Return how far candidates (n,) are over the measured limits, as shares of them and summed; 0 inside."""
        predicted: list[Array] = []
        if (limit := self._space.constraints.max_collapse_rate) is not None:
            predicted.append(collapse / limit - 1)
        for column in self._excess.T:
            mean = np.average(column, weights=weights)
            predicted.append(mean + self._predict_effect(column - mean, x, weights))
        excess: Array = np.clip(predicted, 0.0, None).sum(axis=0)
        return excess

    def _predict_effect(self, values: Array, x: Array, weights: Array) -> Array:
        """Return predictions (n,) by ridge regression of the trials' `values` (t,) on features.

        The bytes read are left out, because they differ mainly between rungs.
        """
        columns = [index for index in range(self._x_last.shape[1]) if index != SIZES.index("log_D")]
        design = self._x_last[:, columns] * np.sqrt(weights)[:, None]
        gram = design.T @ design + _RIDGE * np.eye(len(columns))
        effects: Array = x[:, columns] @ np.linalg.solve(gram, design.T @ (np.sqrt(weights) * values))
        return effects


def _training(
    architecture: ArchitectureConfig, lr_multiplier: float, train_flops: float
) -> tuple[ArchitectureConfig, float, float, float]:
    """Return the fields of a TrainingPoint; bytes follow from a rule of thumb for how much text a token holds."""
    tokens = train_flops / architecture.train_flops_per_token()
    return architecture, lr_multiplier, train_flops, tokens / tokens_per_character(architecture.vocab_size)


def tokens_per_character(vocab_size: int) -> float:
    """Return the tokens per character of a BPE by Tao et al. 2024 (arXiv 2407.13623), fitted to English.

    Code is similar, and the fit of the law compensates the difference.
    """
    log = math.log(max(vocab_size, 300))
    return 0.00639 * log**2 - 0.158 * log + 1.205

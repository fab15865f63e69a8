"""Proposals by the scaling law: what it predicts to be best at the top rung, under parameters drawn from what is known.

Thompson sampling (Thompson 1933; Chapelle and Li 2011): each proposal fits the law once, to trials weighted at random
about priors shifted at random, and takes the best of many random architectures by that one draw. What is known well is
the same in every draw and decides; what is not differs between draws and is tried. A law knows before the first trial
how width, depth, vocabulary and data traded off on another corpus, and learns from every rung of every trial, stopped
ones included.
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

POOL = 300
"""Architectures among which the best is taken."""
MIN_RECORDS = 5
_ENDLESS = 1e18
"""Bytes of a corpus that is never read twice, as trials hardly do."""
_RIDGE = 3.0
"""Trials that a mean counts for against any effect of an architecture on it."""
_LIMITS = ("max_decode_ms_per_token", "max_peak_memory_gb")


class LawProposer:
    """The law as the records of a study leave it; draws are by seeds."""

    def __init__(self, records: Sequence[TrialRecord], space: SearchSpace, collapse_weight: float) -> None:
        """`records`: trials with at least one rung."""
        self._space, self._collapse_weight = space, collapse_weight
        self._points = [
            ScalingPoint(*_trained(one.architecture, one.lr_multiplier, rung.train_flops), rung.val_bpb)
            for one in records
            for rung in one.rungs
        ]
        self._of_trial = np.array([index for index, one in enumerate(records) for _ in one.rungs])
        self._rungs = np.array([one.rungs[-1].rung for one in records])
        self._collapse = np.array([one.rungs[-1].collapse_rate for one in records])
        excesses = [relative_excess(space.constraints, one.measured, None) for one in records]
        self._excess = np.array([[one.get(name, 0.0) for name in _LIMITS] for one in excesses])
        self._num_trials = len(records)
        at = features(self._points, _ENDLESS)
        self._centre = feature_centre(at)
        self._at = at - self._centre
        self._last = np.array([np.flatnonzero(self._of_trial == index)[-1] for index in range(len(records))])

    def best_of(self, pool: Sequence[Candidate], seed: int) -> int:
        """The index in `pool` of the lowest fitness at the top rung under the parameters that `seed` draws.

        Of those that are expected inside all measured limits; where none is, of the one least over them.
        """
        rng = np.random.default_rng(seed)
        weights = rng.exponential(size=self._num_trials)
        priors = MEASURED.resample(rng)
        val_bpb = np.array([one.val_bpb for one in self._points])
        parameters = fit_parameters(self._at, val_bpb, priors, weights[self._of_trial] * budget_weights(self._points))
        top = self._space.training.rung_flops[-1]
        wanted = [TrainingPoint(*_trained(one.architecture, one.lr_multiplier, top)) for one in pool]
        at = features(wanted, _ENDLESS) - self._centre
        collapse = self._collapse_at_top(at, weights)
        over = self._over(at, weights, collapse)
        fitness = np.exp(log_bpb(parameters, at)) + self._collapse_weight * collapse
        return int(np.lexsort((fitness, over))[0])

    def _collapse_at_top(self, at: Array, weights: Array) -> Array:
        """(n,) collapse rates. They fall from rung to rung for all: each is taken beside the others of its rung."""
        _, at_rung = np.unique(self._rungs, return_inverse=True)
        means = np.bincount(at_rung, weights * self._collapse) / np.bincount(at_rung, weights)
        beside = self._collapse - means[at_rung]
        rates: Array = np.clip(means[-1] + self._effect(beside, at, weights), 0.0, 1.0)
        return rates

    def _over(self, at: Array, weights: Array, collapse: Array) -> Array:
        """(n,) how far over the measured limits architectures are expected, as shares of them; 0 inside."""
        expected: list[Array] = []
        if (limit := self._space.constraints.max_collapse_rate) is not None:
            expected.append(collapse / limit - 1)
        for column in self._excess.T:
            mean = np.average(column, weights=weights)
            expected.append(mean + self._effect(column - mean, at, weights))
        over: Array = np.clip(expected, 0.0, None).sum(axis=0)
        return over

    def _effect(self, values: Array, at: Array, weights: Array) -> Array:
        """(n,) by ridge regression of the trials' `values` on all features but the text read, in which rungs differ."""
        known = self._at[self._last]
        columns = [index for index in range(known.shape[1]) if index != SIZES.index("log_D")]
        design = known[:, columns] * np.sqrt(weights)[:, None]
        gram = design.T @ design + _RIDGE * np.eye(len(columns))
        found: Array = at[:, columns] @ np.linalg.solve(gram, design.T @ (np.sqrt(weights) * values))
        return found


def _trained(
    architecture: ArchitectureConfig, lr_multiplier: float, train_flops: float
) -> tuple[ArchitectureConfig, float, float, float]:
    """With the text that `train_flops` read, by a rule of thumb for how much of it a token holds."""
    tokens = train_flops / architecture.train_flops_per_token()
    return architecture, lr_multiplier, train_flops, tokens / tokens_per_character(architecture.vocab_size)


def tokens_per_character(vocab_size: int) -> float:
    """Of a BPE: Tao et al. 2024 (arXiv 2407.13623), fitted to English; code is near, and the law takes up the rest."""
    log = math.log(max(vocab_size, 300))
    return 0.00639 * log**2 - 0.158 * log + 1.205

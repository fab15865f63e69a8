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

from nas.architecture import ArchitectureConfig
from nas.records import TrialRecord
from nas.scaling_law import SIZES, Array, ScalingPoint, Training, centre_of, features, log_bpb
from nas.space import Candidate
from nas.space_sections import TrainingSection
from nas.study.law_parameters import MEASURED, fit_parameters, lateness

POOL = 300
"""Architectures among which the best is taken."""
FEWEST_RECORDS = 5
_ENDLESS = 1e18
"""Bytes of a corpus that is never read twice, as trials hardly do."""
_COLLAPSE_RIDGE = 3.0
"""Trials that the mean collapse rate counts for against any effect of an architecture on it."""


class LawProposer:
    """The law as the records of a study leave it; draws are by seeds."""

    def __init__(self, records: Sequence[TrialRecord], training: TrainingSection, collapse_weight: float) -> None:
        """`records`: trials with at least one rung."""
        self._training = training
        self._collapse_weight = collapse_weight
        self._points = [
            ScalingPoint(*_trained(one.architecture, one.lr_multiplier, rung.train_flops), rung.val_bpb)
            for one in records
            for rung in one.rungs
        ]
        self._of_trial = np.array([index for index, one in enumerate(records) for _ in one.rungs])
        self._collapse = np.array([one.rungs[-1].collapse_rate for one in records])
        self._num_trials = len(records)
        at = features(self._points, _ENDLESS)
        self._centre = centre_of(at)
        self._at = at - self._centre
        self._last = np.array([np.flatnonzero(self._of_trial == index)[-1] for index in range(len(records))])

    def best_of(self, pool: Sequence[Candidate], seed: int) -> int:
        """The index in `pool` of the lowest fitness at the top rung under the parameters that `seed` draws."""
        rng = np.random.default_rng(seed)
        weights = rng.exponential(size=self._num_trials)
        priors = MEASURED.drawn(rng)
        val_bpb = np.array([one.val_bpb for one in self._points])
        parameters = fit_parameters(self._at, val_bpb, priors, weights[self._of_trial] * lateness(self._points))
        top = self._training.rung_flops[-1]
        wanted = [Training(*_trained(one.architecture, one.lr_multiplier, top)) for one in pool]
        at = features(wanted, _ENDLESS) - self._centre
        fitness = np.exp(log_bpb(parameters, at)) + self._collapse_weight * self._collapse_of(at, weights)
        return int(np.argmin(fitness))

    def _collapse_of(self, at: Array, weights: Array) -> Array:
        """(n,) collapse rates by ridge regression on all features but the text that was read, which rungs differ in."""
        known, wanted = self._at[self._last], at
        columns = [index for index in range(known.shape[1]) if index != SIZES.index("log_D")]
        mean = np.average(self._collapse, weights=weights)
        design = known[:, columns] * np.sqrt(weights)[:, None]
        gram = design.T @ design + _COLLAPSE_RIDGE * np.eye(len(columns))
        effect = np.linalg.solve(gram, design.T @ (np.sqrt(weights) * (self._collapse - mean)))
        rates: Array = np.clip(mean + wanted[:, columns] @ effect, 0.0, 1.0)
        return rates


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

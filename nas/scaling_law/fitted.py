"""A fitted scaling law as plain data: its figures, how it stood the test, what it predicts and how surely.

n trainings, F features, P parameters of the law (nas/scaling_law/law.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.law import FEATURES, PARAMETERS, SIZES, Array, TrainingPoint, features, log_bpb

INTERVAL = 0.9
_HALF_WIDTH = 1.6449  # standard deviations to either side that hold INTERVAL of a normal distribution
_MIN_NOISE = 1e-6


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ForecastAccuracy(_Record):
    """How well one way to forecast did."""

    mean_error: float
    """Mean of |forecast - val_bpb|, bits per byte."""
    rank_correlation: float
    """Spearman's."""


class Forecast(_Record):
    """How well the highest budget was foretold by what lies below it: by the law, and by rivals that cost nothing."""

    num_trials: int
    train_flops: float
    flops_step: float
    """The highest budget over the one below it."""
    unseen: ForecastAccuracy
    """Of the law, on trials none of whose points it was fitted to."""
    seen: ForecastAccuracy
    """Of the law, on trials whose points below it was fitted to."""
    same_gain: ForecastAccuracy
    """Of each trial's own result below, less the same for all: what FLOPs gained on average so far. Where no trial has
    two budgets below, what they gained now, which no forecast could know.
    """
    size_rank_correlation: float
    """Of "more non-embedding parameters are better"."""
    log_error: float
    """Root mean square of log(val_bpb / forecast) of `unseen`."""


class NoLaw(_Record):
    """Why there is no law, in one line."""

    reason: str


class Predicted(_Record):
    """Bits per byte by the law, and the ends of its interval."""

    bpb: float
    low: float
    high: float


class ScalingLaw(_Record):
    """A fitted law. `holds` says whether to believe it, `shortcomings` why not."""

    corpus_bytes: float
    """Of the training split: what is read beyond them is read again."""
    centre: tuple[float, ...]
    """(F,) means of the features of the points that it was fitted to."""
    parameters: tuple[float, ...]
    """(P,) in the order of PARAMETERS."""
    draws: tuple[tuple[float, ...], ...]
    """Parameters fitted to resampled trials under resampled priors: how far the data leave them open."""
    num_trials: int
    num_points: int
    flops_span: float
    """Highest budget over the lowest."""
    residual: float
    """Root mean square of log(val_bpb / law) over its own points."""
    spread: float
    """Standard deviation of log bpb between the trials at their lowest budgets."""
    forecast: Forecast
    shortcomings: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = {len(one) for one in (self.parameters, *self.draws)}
        if len(self.centre) != len(FEATURES) or lengths != {len(PARAMETERS)}:
            raise ValueError(f"a law has {len(FEATURES)} features and {len(PARAMETERS)} parameters, in every draw too")
        return self

    @property
    def holds(self) -> bool:
        return not self.shortcomings

    def predict(self, architecture: ArchitectureConfig, lr_multiplier: float, train_bytes: float) -> float:
        """Bits per byte after `train_bytes`."""
        return float(self.predict_all([TrainingPoint(architecture, lr_multiplier, 0.0, train_bytes)])[0])

    def predict_all(self, trainings: Sequence[TrainingPoint]) -> Array:
        """(n,) bits per byte."""
        predicted: Array = np.exp(log_bpb(np.array(self.parameters), self.features(trainings)))
        return predicted

    def interval(self, training: TrainingPoint) -> Predicted:
        """The prediction with an interval of INTERVAL: what the fit leaves open, and how far forecasts were off.

        The error of forecasts grows in proportion to the distance in log FLOPs, as what the law does not know of an
        architecture does: with its square root, as a random walk's, half of the intervals were too narrow
        (experiments/prediction/README.md). Not covered: another corpus, batch, context or recipe than the trials had, models that
        overfit a corpus read many times, best learning rates that move with the length of training.
        """
        logs = self._draws_of([training])[:, 0]
        centre = math.log(self.predict_all([training])[0])
        half = _HALF_WIDTH * math.hypot(float(np.sqrt(np.mean((logs - centre) ** 2))), self._noise(training))
        return Predicted(bpb=math.exp(centre), low=math.exp(centre - half), high=math.exp(centre + half))

    def chance(self, first: TrainingPoint, second: TrainingPoint) -> float:
        """The probability that `first` ends with fewer bits per byte; what shifts both alike does not count.

        Their own errors about the law are taken to have nothing in common, which is too careful for two that are alike.
        """
        logs = self._draws_of([first, second])
        noise = math.hypot(self._noise(first), self._noise(second))
        margins = (logs[:, 1] - logs[:, 0]) / noise
        return float(np.mean([0.5 * (1 + math.erf(margin / math.sqrt(2))) for margin in margins]))

    def features(self, trainings: Sequence[TrainingPoint]) -> Array:
        """(n, F) about the centre."""
        about: Array = features(trainings, self.corpus_bytes) - np.array(self.centre)
        return about

    def describe(self) -> str:
        """The formula with its figures, the effects of other choices left out."""
        value = dict(zip(PARAMETERS, self.parameters, strict=True))
        of = {name: math.exp(value[f"log_{name}"]) for name in "EABC"}
        width, depth, vocabulary, data = (math.exp(one) for one in self.centre[: len(SIZES)])
        w, d = f"(H / {width:.0f})", f"(L / {depth:.0f})"
        v, t = f"(V / {vocabulary:.0f})", f"(D / {data:.2g})"
        return (
            f"{of['E']:.2f} + {of['A']:.2f} {w}^-{value['alpha']:.2f} {d}^-{value['kappa']:.2f}"
            f" + {of['B']:.2f} {v}^-{value['beta']:.2f} {w}^-{value['eta']:.2f} {t}^-{value['epsilon']:.2f}"
            f" + {of['C']:.2f} {w}^{value['delta']:.2f} {t}^-{value['gamma']:.2f}"
        )

    def _draws_of(self, trainings: Sequence[TrainingPoint]) -> Array:
        """(draws, n) log bpb."""
        at = self.features(trainings)
        return np.array([log_bpb(np.array(one), at) for one in self.draws])

    def _noise(self, training: TrainingPoint) -> float:
        """Standard deviation of log bpb of one architecture about the law, at this budget."""
        tested = self.forecast
        steps = math.log(max(training.train_flops, 1.0) / tested.train_flops) / math.log(tested.flops_step)
        return max(tested.log_error, self.residual, _MIN_NOISE) * max(1.0, steps)


class Choice(_Record):
    """An architecture of the space at the target, and what the law expects of it."""

    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float
    point: dict[str, bool | int | float | str]
    """Dimension of the search space -> value."""
    train_bytes: float
    """What the target's FLOPs read; the corpus again where it is smaller."""
    predicted: Predicted


class AtTarget(_Record):
    """The law's verdict at a budget that no trial had: what it would take there, beside what the search found."""

    target_flops: float
    best: Choice
    searched: Choice
    """The best at the search's budget."""
    chance: float
    """That `best` ends with fewer bits per byte than `searched`."""
    shortcomings: tuple[str, ...]
    """Why not to follow it: those of the law, and a chance that says nothing."""

    @property
    def holds(self) -> bool:
        return not self.shortcomings

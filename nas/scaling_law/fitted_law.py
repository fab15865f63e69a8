"""A fitted scaling law as plain data: its parameters, how its forecasts were tested, its predictions and intervals.

Shapes: n trainings, F features, P parameters of the law (nas/scaling_law/law.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.law import EFFECTS, FEATURES, PARAMETERS, SIZES, Array, TrainingPoint, features, log_bpb

INTERVAL = 0.9
_HALF_WIDTH = 1.6449  # standard deviations to either side that cover INTERVAL of a normal distribution
_MIN_NOISE = 1e-6


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ForecastAccuracy(_Record):
    """How accurately one method predicted a budget."""

    mean_absolute_error: float
    """Mean of |forecast - val_bpb|, bits per byte."""
    rank_correlation: float
    """Spearman's rank correlation of forecasts and results."""


class ForecastTest(_Record):
    """How accurately the highest budget is predicted from lower ones, by the law and by two baselines without one."""

    num_trials: int
    train_flops: float
    flops_ratio: float
    """The highest budget divided by the one below it."""
    unseen: ForecastAccuracy
    """Accuracy of the law on trials that it was not fitted to at any budget."""
    seen: ForecastAccuracy
    """Accuracy of the law on trials whose lower budgets it was fitted to."""
    same_gain: ForecastAccuracy
    """First baseline: each trial's result at its last lower budget, less a gain per log FLOPs that is the same for all.

    The gain is the mean over trials with two lower budgets. Where there is none, it is the mean gain to the highest
    budget itself, which no forecast could know.
    """
    size_rank_correlation: float
    """Second baseline: Spearman's rank correlation of results with "more non-embedding parameters are better"."""
    log_rmse: float
    """Root mean square of log(val_bpb / forecast) of the trials that the law had not seen."""


class NoLaw(_Record):
    """The absence of a law, with its reason in one line."""

    reason: str


class Prediction(_Record):
    """Predicted bits per byte with an interval of probability INTERVAL."""

    bpb: float
    low: float
    high: float


class ScalingLaw(_Record):
    """A fitted law."""

    corpus_bytes: float
    """Size of the training split. Bytes read beyond it are repeated, and teach less."""
    centre: tuple[float, ...]
    """The centre (F,) of the features of the points that the law was fitted to."""
    parameters: tuple[float, ...]
    """Values (P,) in the order of PARAMETERS."""
    draws: tuple[tuple[float, ...], ...]
    """Bootstrap draws (draws, P), fitted to resampled trials under resampled priors: the uncertainty of the fit."""
    effects: tuple[str, ...] = EFFECTS
    """Names of the effects that the law was fitted with; they end `centre`, `parameters` and each draw."""
    num_trials: int
    num_points: int
    flops_span: float
    """The highest budget divided by the lowest."""
    fit_log_rmse: float
    """Root mean square of log(val_bpb / law) over the points that the law was fitted to."""
    log_bpb_sd: float
    """Standard deviation of log bpb between trials, each at its lowest budget."""
    forecast: ForecastTest
    shortcomings: tuple[str, ...]
    """Why the law is not to be trusted, one line each."""

    @model_validator(mode="before")
    @classmethod
    def _add_new_effects(cls, values: Any) -> Any:
        """Give effects that the code gained since the fit, such as a new activation's, the value zero: unknown."""
        fitted = values.get("effects", EFFECTS) if isinstance(values, Mapping) else EFFECTS
        if tuple(fitted) == EFFECTS or not set(fitted) <= set(EFFECTS):
            return values

        def extend(numbers: Sequence[float]) -> list[float]:
            known = dict(zip(fitted, numbers[-len(fitted) :], strict=True))
            return [*numbers[: -len(fitted)], *(known.get(name, 0.0) for name in EFFECTS)]

        extended = {name: extend(values[name]) for name in ("centre", "parameters")}
        return {**values, **extended, "draws": [extend(draw) for draw in values["draws"]], "effects": EFFECTS}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.effects != EFFECTS:
            unknown = ", ".join(sorted(set(self.effects) - set(EFFECTS)))
            raise ValueError(f"the law was fitted with effects that this version does not know: {unknown}")
        lengths = {len(values) for values in (self.parameters, *self.draws)}
        if len(self.centre) != len(FEATURES) or lengths != {len(PARAMETERS)}:
            raise ValueError(f"a law has {len(FEATURES)} features and {len(PARAMETERS)} parameters, in every draw too")
        return self

    @property
    def is_trusted(self) -> bool:
        """Whether the law has no shortcomings."""
        return not self.shortcomings

    def predict(self, architecture: ArchitectureConfig, lr_multiplier: float, train_bytes: float) -> float:
        """Return bits per byte after reading `train_bytes`."""
        return float(self.predict_all([TrainingPoint(architecture, lr_multiplier, 0.0, train_bytes)])[0])

    def predict_all(self, trainings: Sequence[TrainingPoint]) -> Array:
        """Return bits per byte (n,)."""
        predicted: Array = np.exp(log_bpb(np.array(self.parameters), self.features(trainings)))
        return predicted

    def interval(self, training: TrainingPoint) -> Prediction:
        """Return the prediction and its interval: the uncertainty of the fit and the measured error of forecasts.

        The error of forecasts grows in proportion to the distance in log FLOPs, because what the law does not know
        about an architecture does. With its square root, like a random walk, half of the intervals were too narrow
        (experiments/prediction/README.md). Not covered: another corpus, batch, context or recipe than the trials had,
        models that overfit a corpus read many times, and best learning rates that depend on the training's length.
        """
        logs = self._log_draws([training])[:, 0]
        centre = math.log(self.predict_all([training])[0])
        half = _HALF_WIDTH * math.hypot(float(np.sqrt(np.mean((logs - centre) ** 2))), self._noise(training))
        return Prediction(bpb=math.exp(centre), low=math.exp(centre - half), high=math.exp(centre + half))

    def win_probability(self, first: TrainingPoint, second: TrainingPoint) -> float:
        """Return the probability that `first` ends with fewer bits per byte than `second`.

        Errors of the fit that shift both equally cancel out. Errors of the two architectures about the law are assumed
        to be independent, which is too cautious for two similar ones.
        """
        logs = self._log_draws([first, second])
        noise = math.hypot(self._noise(first), self._noise(second))
        margins = (logs[:, 1] - logs[:, 0]) / noise
        return float(np.mean([0.5 * (1 + math.erf(margin / math.sqrt(2))) for margin in margins]))

    def features(self, trainings: Sequence[TrainingPoint]) -> Array:
        """Return centred features (n, F)."""
        centred: Array = features(trainings, self.corpus_bytes) - np.array(self.centre)
        return centred

    def describe(self) -> str:
        """Return the formula with its fitted figures, without the effects of other choices."""
        value = dict(zip(PARAMETERS, self.parameters, strict=True))
        level = {name: math.exp(value[f"log_{name}"]) for name in "EABC"}
        width, depth, vocabulary, data = map(math.exp, self.centre[: len(SIZES)])
        w, d = f"(H / {width:.0f})", f"(L / {depth:.0f})"
        v, t = f"(V / {vocabulary:.0f})", f"(D / {data:.2g})"
        return (
            f"{level['E']:.2f} + {level['A']:.2f} {w}^-{value['alpha']:.2f} {d}^-{value['kappa']:.2f}"
            f" + {level['B']:.2f} {v}^-{value['beta']:.2f} {w}^-{value['eta']:.2f} {t}^-{value['epsilon']:.2f}"
            f" + {level['C']:.2f} {w}^{value['delta']:.2f} {t}^-{value['gamma']:.2f}"
        )

    def _log_draws(self, trainings: Sequence[TrainingPoint]) -> Array:
        """Return log bpb (draws, n) under each draw of the parameters."""
        x = self.features(trainings)
        return np.array([log_bpb(np.array(draw), x) for draw in self.draws])

    def _noise(self, training: TrainingPoint) -> float:
        """Return the standard deviation of log bpb of one architecture about the law at this budget."""
        tested = self.forecast
        steps = math.log(max(training.train_flops, 1.0) / tested.train_flops) / math.log(tested.flops_ratio)
        return max(tested.log_rmse, self.fit_log_rmse, _MIN_NOISE) * max(1.0, steps)


class TargetChoice(_Record):
    """An architecture trained with the target's FLOPs, and the prediction for it."""

    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float
    point: dict[str, bool | int | float | str]
    """Dimension of the search space -> value."""
    train_bytes: float
    """Bytes that the target's FLOPs read, repeated ones counted again."""
    predicted: Prediction


class TargetComparison(_Record):
    """The predicted best architecture at a budget that no trial had, and the search's own best trained with it."""

    target_flops: float
    best: TargetChoice
    """The architecture with the lowest prediction."""
    searched: TargetChoice
    """The best trial at the search's budget."""
    win_probability: float
    """Probability that `best` ends with fewer bits per byte than `searched`."""
    shortcomings: tuple[str, ...]
    """Why not to prefer `best`: shortcomings of the law, an undecided probability, limits that are not predicted."""

    @property
    def is_trusted(self) -> bool:
        """Whether there is no reason against `best`."""
        return not self.shortcomings

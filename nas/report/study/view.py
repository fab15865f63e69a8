"""A study as every page, table and text of it reads it: its trials ranked at one collapse weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from nas.records.holdout_comparison import Comparison, Finalist, comparison_of
from nas.records.study import StudyRecord
from nas.records.trial import Metrics, TrialRecord, completed, front
from nas.scaling_law.fitted_law import NoLaw, ScalingLaw, TargetComparison


@dataclass(frozen=True)
class StudyView:
    """A study, its ended trials, and what follows from them; each fact is worked out once."""

    study: StudyRecord
    records: tuple[TrialRecord, ...]
    """The trials that have ended, by number; their fitness is that of `weight`."""
    weight: float
    """The collapse weight that the trials are ranked by."""

    @classmethod
    def build(cls, study: StudyRecord, records: Sequence[TrialRecord], weight: float | None = None) -> Self:
        """Return the view of a study at another collapse weight, or at its own if `weight` is None."""
        weight = study.collapse_weight if weight is None else weight
        return cls(study, tuple(record.reweighted(weight) for record in records), weight)

    @property
    def has_own_weight(self) -> bool:
        """Whether the trials are ranked by the weight that the search used."""
        return self.weight == self.study.collapse_weight

    @cached_property
    def by_number(self) -> dict[int, TrialRecord]:
        return {record.number: record for record in self.records}

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """The COMPLETE trials, best fitness first."""
        return completed(self.records)

    @cached_property
    def searched(self) -> list[TrialRecord]:
        """The COMPLETE trials of the search, without references, best fitness first."""
        return [record for record in self.ranked if not record.reference]

    @cached_property
    def references(self) -> list[TrialRecord]:
        """The COMPLETE references, best fitness first."""
        return [record for record in self.ranked if record.reference]

    @cached_property
    def unfinished(self) -> list[TrialRecord]:
        """The trials that are not COMPLETE, by number."""
        return [record for record in self.records if not record.is_complete]

    @cached_property
    def front(self) -> list[TrialRecord]:
        """The trials that no other beats in bits per byte, collapse rate and parameters at once."""
        return front(self.records)

    @cached_property
    def comparison(self) -> Comparison | None:
        """The finalists on the holdout; None before the verdict."""
        return comparison_of(self.study, self.records, self.weight)

    @cached_property
    def best(self) -> TrialRecord | None:
        """The trial that the verdict selected; before the verdict, the best on validation."""
        if self.comparison:
            return self.by_number[self.comparison.chosen]
        return next(iter(self.ranked), None)

    @cached_property
    def best_finalist(self) -> Finalist | None:
        """The means of `best` on the holdout; None before the verdict."""
        finalists = self.comparison.finalists if self.comparison else ()
        return next((finalist for finalist in finalists if finalist.number == self._best_number), None)

    @property
    def _best_number(self) -> int | None:
        return self.best.number if self.best else None

    @cached_property
    def holdout_metrics(self) -> Metrics | None:
        """The first metrics on the holdout, which tell how much of it was read; None before the verdict."""
        return next((result.metrics for result in self.study.verdict if result.metrics), None)

    @property
    def law(self) -> ScalingLaw | None:
        return self.study.law if isinstance(self.study.law, ScalingLaw) else None

    @property
    def no_law_reason(self) -> str | None:
        """Why no scaling law could be fitted; None if there is one, or if none was tried yet."""
        return self.study.law.reason if isinstance(self.study.law, NoLaw) else None

    @property
    def at_target(self) -> TargetComparison | None:
        return self.study.at_target

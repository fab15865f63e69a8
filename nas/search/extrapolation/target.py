"""Extrapolate a search to a larger budget: fit the scaling law, and predict the best architecture at the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nas.data.prepared import PreparedData
from nas.records.trial import TrialRecord
from nas.scaling_law.fit import fit
from nas.scaling_law.fitted_law import NoLaw, ScalingLaw, TargetChoice, TargetComparison
from nas.scaling_law.law import ScalingPoint
from nas.search.extrapolation.predicted_best import VocabularyFacts, find_predicted_best, training_point
from nas.space.search_space import Candidate, SearchSpace

DEFAULT_TARGET_FACTOR = 100
"""The default target is this many times the FLOPs of the top rung."""
MIN_WIN_PROBABILITY = 2 / 3
"""Two to one: below it, the predicted best is not preferred to the search's own."""


def predict_target(
    records: Iterable[TrialRecord], searched: TrialRecord, space: SearchSpace, data: PreparedData, target_flops: float
) -> tuple[ScalingLaw | NoLaw, TargetComparison | None]:
    """Fit the law to all rungs of all trials, and compare its best architecture with `searched` at `target_flops`.

    The comparison is None where there is no law.
    """
    law = fit(scaling_points(records), corpus_bytes=float(data.manifest["splits"]["train"]["bytes"]))
    if isinstance(law, NoLaw):
        return law, None
    candidate = Candidate(searched.architecture, searched.vocabulary, searched.lr_multiplier, searched.point)
    vocabularies = {
        name: VocabularyFacts(size, data.bytes_per_token(name))
        for name, size in data.vocabulary_sizes.items()
        if name in space.vocabulary_names
    }
    return law, compare_at_target(target_flops, candidate, space, law, vocabularies)


def scaling_points(records: Iterable[TrialRecord]) -> list[ScalingPoint]:
    """Return one point for each rung of each trial, stopped trials included."""
    return [
        ScalingPoint(record.architecture, record.lr_multiplier, rung.train_flops, rung.train_bytes, rung.val_bpb)
        for record in records
        for rung in record.rungs
        if rung.train_bytes is not None
    ]


def compare_at_target(
    target_flops: float,
    searched: Candidate,
    space: SearchSpace,
    law: ScalingLaw,
    vocabularies: Mapping[str, VocabularyFacts],
) -> TargetComparison:
    """Predict `searched`, the best trial of the search, and the best of the space at `target_flops`, and compare them.

    Where the law predicts no architecture to be better than `searched`, it is the predicted best too.
    """
    best = find_predicted_best(space, law, target_flops, vocabularies) or searched
    trainings = [
        training_point(
            candidate.architecture,
            candidate.lr_multiplier,
            target_flops,
            vocabularies[candidate.vocabulary].bytes_per_token,
        )
        for candidate in (best, searched)
    ]
    if law.predict_all(trainings).argmin() == 1:
        best, trainings[0] = searched, trainings[1]
    win_probability = law.win_probability(*trainings)
    choices = [
        TargetChoice(
            architecture=candidate.architecture,
            vocabulary=candidate.vocabulary,
            lr_multiplier=candidate.lr_multiplier,
            point=candidate.point,
            train_bytes=training.train_bytes,
            predicted=law.interval(training),
        )
        for candidate, training in zip((best, searched), trainings, strict=True)
    ]
    doubts = []
    if best != searched and win_probability < MIN_WIN_PROBABILITY:
        doubts.append(
            f"at {target_flops:.2g} FLOPs the predicted best is better than the best of the search with a probability "
            f"of only {win_probability:.0%}"
        )
    if best != searched and (limits := space.constraints.measured_limits):
        doubts.append(f"the predicted best was not trained, so it is unknown whether it satisfies {', '.join(limits)}")
    return TargetComparison(
        target_flops=target_flops,
        best=choices[0],
        searched=choices[1],
        win_probability=win_probability,
        shortcomings=(*law.shortcomings, *doubts),
    )

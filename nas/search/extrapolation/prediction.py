"""The verdict at the full budget, from the records of a search: the scaling law, and what it would take there."""

from __future__ import annotations

from collections.abc import Iterable

from nas.data.prepared import PreparedData
from nas.records.study import TrialRecord
from nas.scaling_law.fit import fit
from nas.scaling_law.fitted import AtTarget, NoLaw, ScalingLaw
from nas.scaling_law.law import ScalingPoint
from nas.search.extrapolation.at_target import compare_at_target
from nas.search.extrapolation.best_at import VocabularyFacts
from nas.space.search_space import Candidate, SearchSpace

TARGET_OVER_TOP = 100
"""The default target: so many times the FLOPs of the top rung."""


def predict_target(
    records: Iterable[TrialRecord], searched: TrialRecord, space: SearchSpace, data: PreparedData, target_flops: float
) -> tuple[ScalingLaw | NoLaw, AtTarget | None]:
    """The law over all rungs of all trials, and its verdict at `target_flops`; None where there is no law."""
    law = fit(scaling_points(records), corpus_bytes=float(data.manifest["splits"]["train"]["bytes"]))
    if isinstance(law, NoLaw):
        return law, None
    candidate = Candidate(searched.architecture, searched.vocabulary, searched.lr_multiplier)
    vocabularies = {
        name: VocabularyFacts(size, data.bytes_per_token(name))
        for name, size in data.vocabulary_sizes.items()
        if name in space.vocabulary_names
    }
    return law, compare_at_target(target_flops, candidate, space, law, vocabularies)


def scaling_points(records: Iterable[TrialRecord]) -> list[ScalingPoint]:
    """One for each rung of each trial, stopped ones included."""
    return [
        ScalingPoint(one.architecture, one.lr_multiplier, rung.train_flops, rung.train_bytes, rung.val_bpb)
        for one in records
        for rung in one.rungs
        if rung.train_bytes is not None
    ]

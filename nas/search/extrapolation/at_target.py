"""The verdict at the full budget: the predicted best architecture there, beside the best that the search found."""

from __future__ import annotations

from collections.abc import Mapping

from nas.scaling_law.fitted import AtTarget, Choice, ScalingLaw
from nas.search.extrapolation.best_at import VocabularyFacts, best_at, training_at
from nas.space.search_space import Candidate, SearchSpace

MIN_CHANCE = 2 / 3
"""Two to one: below it the predicted best is no better founded than the search's own."""


def compare_at_target(
    target_flops: float,
    searched: Candidate,
    space: SearchSpace,
    law: ScalingLaw,
    vocabularies: Mapping[str, VocabularyFacts],
) -> AtTarget:
    """Both architectures at `target_flops`, and whether to prefer the predicted one.

    `searched` is the best of the trials at the search's budget. It is the predicted best too where the law finds no
    better one.
    """
    best = best_at(space, law, target_flops, vocabularies) or searched
    trainings = [
        training_at(one.architecture, one.lr_multiplier, target_flops, vocabularies[one.vocabulary].bytes_per_token)
        for one in (best, searched)
    ]
    if law.predict_all(trainings).argmin() == 1:
        best, trainings[0] = searched, trainings[1]
    chance = law.chance(*trainings)
    choices = [
        Choice(
            architecture=one.architecture,
            vocabulary=one.vocabulary,
            lr_multiplier=one.lr_multiplier,
            train_bytes=training.train_bytes,
            predicted=law.interval(training),
        )
        for one, training in zip((best, searched), trainings, strict=True)
    ]
    doubts = []
    if best != searched and chance < MIN_CHANCE:
        doubts.append(
            f"at {target_flops:.2g} FLOPs the chance that the predicted best is the better one is {chance:.0%} only"
        )
    if best != searched and (limits := space.constraints.of_measured):
        doubts.append(f"whether the predicted best keeps within {', '.join(limits)} shows only when it is trained")
    return AtTarget(
        target_flops=target_flops,
        best=choices[0],
        searched=choices[1],
        chance=chance,
        shortcomings=(*law.shortcomings, *doubts),
    )

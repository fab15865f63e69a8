"""The identity of a study: everything that a trial's record depends on, equal in all runs of the study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nas.errors import StudyMismatch
from nas.evaluate.code_prompts import PROMPTS_VERSION
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.inference.bits_per_byte import EVALUATION_VERSION
from nas.records.differences import describe_differences
from nas.space.search_space import SearchSpace
from nas.training.numerics import Numerics
from nas.training.recipe import RECIPE_VERSION


def study_identity(
    space: SearchSpace,
    corpus_hash: str,
    split_seed: int,
    seed: int,
    sampler: str,
    objectives: Sequence[str],
    numerics: Numerics,
) -> dict[str, Any]:
    """Return the identity as JSON data."""
    identity = {
        "space": space.model_dump(mode="json", exclude={"name"}),
        "corpus": {"content_hash": corpus_hash, "split_seed": split_seed},
        "seed": seed,
        "sampler": sampler,
        "objectives": list(objectives),
        "versions": {
            "recipe": RECIPE_VERSION,
            "detector": DETECTOR_VERSION,
            "prompts": PROMPTS_VERSION,
            "evaluation": EVALUATION_VERSION,
        },
        "numerics": numerics.model_dump(mode="json"),
    }
    return dict(json.loads(json.dumps(identity)))


def check_identity(name: str, stored: Mapping[str, Any], requested: Mapping[str, Any]) -> None:
    """Raise StudyMismatch, naming the differences, unless the stored study has the requested identity."""
    different = describe_differences(stored, dict.fromkeys(stored) | dict(requested))
    if different is not None:
        raise StudyMismatch(
            f"study '{name}' was made with other settings ({different}); "
            "use those to resume it, or start another study with --name"
        )

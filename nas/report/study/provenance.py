"""Where everything comes from: whatever the study wrote down, by heading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.records.study import StudyRecord
from nas.report.parts.words import duration


def provenance(study: StudyRecord) -> dict[str, Mapping[str, Any]]:
    """Corpus, compressors, phases, versions, identity, machine."""
    identity = {"seed": study.seed, "collapse weight": study.collapse_weight, "schema": study.schema_version}
    return {
        "Corpus": study.corpus,
        "Compressors, bits per byte": study.compressors,
        "Time by phase, summed over runs": {name: duration(seconds) for name, seconds in study.measured.items()},
        "Provenance": study.provenance,
        "Identity": {**identity, **study.identity},
        "Search space": study.space,
    }

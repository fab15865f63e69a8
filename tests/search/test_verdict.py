from __future__ import annotations

from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.records.trial import TrialEnd, TrialRecord
from nas.search.verdict import finalists
from nas.space.search_space import Candidate
from nas.space.sections import ConstraintsSection
from nas.trial.task import RungTask
from tests.helpers.instant_objective import complete_record
from tests.helpers.spaces import tiny


def trial(number: int, collapse_rate: float, reference: str | None = None, **changes: Any) -> TrialRecord:
    """Return a trial of the tiny space, which has one rung; a lower number is a better trial."""
    shape = ArchitectureConfig(
        num_layers=1, hidden_dim=32, num_heads=2, ffn_multiplier=2.0, vocab_size=256, max_seq_length=64
    )
    task = RungTask(Candidate(shape, "bytes", 1.0), number, tiny().training.num_rungs - 1, reference)
    record = complete_record(task)
    scores = {"fitness": 2.0 + number, "val_bpb": 1.9 + number, "collapse_rate": collapse_rate}
    rung = record.rungs[-1].model_copy(update=scores)
    return record.model_copy(update={"rungs": (rung,), **changes})


def over(number: int, collapse_rate: float, reference: str | None = None) -> TrialRecord:
    return trial(number, collapse_rate, reference).ended(TrialEnd.OVER_MEASURED_LIMIT, "max_collapse_rate by 80%")


LIMITED = tiny().model_copy(update={"constraints": ConstraintsSection(max_collapse_rate=0.5)})
"""The tiny space with a limit on the collapse rate; its protocol has two finalists."""


def test_finalists_are_the_best_and_the_references_within_the_limits() -> None:
    records = [
        over(0, 0.9, "origin"),
        trial(1, 0.2),
        trial(2, 0.3),
        trial(3, 0.3),
        trial(4, 0.4, "llama"),
        over(5, 0.9),
    ]
    assert [record.number for record in finalists(records, LIMITED)] == [1, 2, 4]
    assert [record.number for record in finalists(records, tiny())] == [1, 2, 0, 4]


def test_without_a_complete_trial_there_are_no_finalists() -> None:
    """The only trial is a reference that was stopped."""
    assert finalists([trial(0, 0.2, "origin").ended(TrialEnd.STOPPED, "at rung 1")], tiny()) == []

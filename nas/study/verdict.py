"""The verdict: the best trials and the references on the holdout, which the search never looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nas.data import PreparedData
from nas.errors import StudyError
from nas.fitness import fitness
from nas.records import HoldoutResult, TrialRecord, completed
from nas.space import Candidate
from nas.study.folder import StudyFolder
from nas.study.workers import WorkerPool
from nas.trial.allocator import give_back_freed_memory
from nas.trial.run import TrialSettings, judge_holdout, run_trial

NUM_FINALISTS = 5


@dataclass(frozen=True)
class TrainAndJudge:
    """The objective of a real search: a whole trial in a worker process."""

    folder: StudyFolder
    data: PreparedData
    settings: TrialSettings
    keep_samples: bool

    def initialise(self) -> None:
        """Set a fresh worker process up."""
        self.settings.numerics.apply()

    def __call__(self, candidate: Candidate, *, number: int, reference: str | None) -> TrialRecord:
        paths = self.folder.trial_paths(number, keep_samples=self.keep_samples)
        try:
            return run_trial(candidate, self.data, self.settings, paths, number=number, reference=reference)
        finally:
            give_back_freed_memory()

    def holdout(self, record: TrialRecord) -> HoldoutResult:
        paths = self.folder.trial_paths(record.number, keep_samples=self.keep_samples)
        judgement = judge_holdout(record, self.data, self.settings, paths).judgement
        worth = fitness(judgement.bpb, judgement.collapse_rate, self.settings.evaluation.collapse_weight)
        return HoldoutResult(number=record.number, fitness=worth, judgement=judgement)


def finalists(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best five by fitness on validation, then the references that are not among them."""
    ranked = completed(records)
    return ranked[:NUM_FINALISTS] + [one for one in ranked[NUM_FINALISTS:] if one.reference is not None]


def judge_finalists(
    records: Sequence[TrialRecord], known: Sequence[HoldoutResult], objective: TrainAndJudge, pool: WorkerPool
) -> tuple[HoldoutResult, ...]:
    """Holdout results of all finalists, best validation fitness first; those in `known` are not judged again."""
    wanted = finalists(records)
    results = {one.number: one for one in known}
    waiting = [one for one in wanted if one.number not in results]
    running = 0
    while waiting or running:
        while waiting and pool.num_free:
            record = waiting.pop(0)
            pool.submit(record.number, partial(objective.holdout, record))
            running += 1
        for ended in pool.wait():
            running -= 1
            if not isinstance(ended.value, HoldoutResult):
                raise StudyError(
                    f"the holdout verdict on trial {ended.key} failed: {ended.error}; run the command again"
                )
            results[ended.value.number] = ended.value
    return tuple(results[one.number] for one in wanted)

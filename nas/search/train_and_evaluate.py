"""The objective of a real search: a rung of a trial, or a verdict on the holdout, in a worker process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nas.data.prepared import PreparedData
from nas.data.relocation import local_data
from nas.errors import TrialFailure
from nas.records.fitness import fitness
from nas.records.study import HoldoutResult
from nas.records.trial import TrialRecord
from nas.search.folder import StudyFolder
from nas.space.search_space import Candidate
from nas.training.allocator import release_freed_memory
from nas.trial.run import TrialSettings, run_final, run_trial
from nas.trial.task import RungTask


@dataclass(frozen=True)
class TrainAndEvaluate:
    """Picklable: a worker process opens the data and the folder itself.

    On another machine the folder must be the same, and the data the same or such as can be prepared again.
    """

    folder: StudyFolder
    data: PreparedData
    settings: TrialSettings
    keep_samples: bool
    num_final_prompts: int

    def initialise(self) -> None:
        """Set a fresh worker process up."""
        self.settings.numerics.apply()

    def __call__(self, task: RungTask) -> TrialRecord:
        paths = self.folder.trial_paths(task.number, keep_samples=self.keep_samples)
        try:
            return run_trial(
                task.candidate,
                local_data(self.data),
                self.settings,
                paths,
                number=task.number,
                rung=task.rung,
                reference=task.reference,
            )
        finally:
            release_freed_memory()

    def holdout(self, record: TrialRecord, seed: int) -> HoldoutResult:
        """The architecture of a trial, trained again with `seed`, on the holdout."""
        candidate = Candidate(record.architecture, record.vocabulary, record.lr_multiplier, record.point)
        evaluation = self.settings.evaluation.model_copy(update={"num_prompts": self.num_final_prompts})
        settings = replace(self.settings, seed=seed, evaluation=evaluation)
        try:
            verdict = run_final(
                candidate, local_data(self.data), settings, self.folder.final_weights(record.number, seed)
            )
        except TrialFailure as failure:
            return HoldoutResult(number=record.number, seed=seed, fitness=None, metrics=None, reason=str(failure))
        finally:
            release_freed_memory()
        judged = verdict.metrics
        worth = fitness(judged.bpb, judged.collapse_rate, evaluation.collapse_weight)
        return HoldoutResult(number=record.number, seed=seed, fitness=worth, metrics=judged)

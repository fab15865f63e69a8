"""The objective of `nas.search`: train and evaluate a rung of a trial, or a finalist on the holdout."""

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
    """A picklable objective: a worker process opens the data and the study folder itself.

    Another machine must share the folder, and have the same data or be able to prepare it again.
    """

    folder: StudyFolder
    data: PreparedData
    settings: TrialSettings
    keep_samples: bool
    num_final_prompts: int

    def initialise(self) -> None:
        """Set up a new worker process."""
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
        """Train the architecture of a trial again with `seed` and evaluate it on the holdout."""
        candidate = Candidate(record.architecture, record.vocabulary, record.lr_multiplier, record.point)
        evaluation = self.settings.evaluation.model_copy(update={"num_prompts": self.num_final_prompts})
        settings = replace(self.settings, seed=seed, evaluation=evaluation)
        try:
            final = run_final(
                candidate, local_data(self.data), settings, self.folder.final_weights(record.number, seed)
            )
        except TrialFailure as failure:
            return HoldoutResult(number=record.number, seed=seed, fitness=None, metrics=None, reason=str(failure))
        finally:
            release_freed_memory()
        metrics = final.metrics
        value = fitness(metrics.bpb, metrics.collapse_rate, evaluation.collapse_weight)
        return HoldoutResult(number=record.number, seed=seed, fitness=value, metrics=metrics)

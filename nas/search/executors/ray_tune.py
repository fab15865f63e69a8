"""Run the trials of a study by Ray Tune: Tune places and watches them, `Trials` records them.

    _TrialSearcher     a Searcher: begins a trial when there is room, and resumes a trial whose process was lost
    RungTrainable      a Trainable (ray_trainable.py): runs one rung in each step, in an actor
    _TrialScheduler    a TrialScheduler: records each rung, and stops or promotes the trial

The Optuna study is the only state that is kept; the files of Tune are deleted. A driver that was killed resumes from
the study, under any engine. A lost actor or node costs one rung: the trial repeats it under its own number, from the
weights that the rung below left in the study's folder. Tune's own retries are not used: they give up a trial whose
reused actor was on the lost node.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from nas.records.trial import TrialRecord
from nas.search.driver import Budget, TrialQueue, record_ended
from nas.search.executors.executor import result_from
from nas.search.executors.ray_pool import MAX_LOSSES, RayPool, is_node_loss, loss_cause, loss_error
from nas.search.executors.ray_trainable import RungTrainable, task_config
from nas.search.trials import Trials
from nas.trial.task import RungTask, RunRung

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output can be switched off
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a search like under any engine
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",  # actors that may start at once; _TrialSearcher limits the number of trials
}


def run_trials_by_ray(trials: Trials, objective: RunRung, pool: RayPool, budget: Budget) -> bool:
    """Run trials like `nas.search.driver.run_trials`, on the nodes of the cluster that `pool` is connected to."""
    state = _SearchState(trials, pool, TrialQueue(trials, budget))
    trainable = tune.with_parameters(RungTrainable, objective=objective, initialise=pool.initialise)
    with tempfile.TemporaryDirectory(prefix="codenas-tune-") as folder, _environment(_ENVIRONMENT):
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": pool.ray_settings.cpus, "gpu": pool.ray_settings.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=_TrialSearcher(state),
                scheduler=_TrialScheduler(state),
                num_samples=-1,  # unlimited: _TrialSearcher ends the search
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                name="search",
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),  # _TrialSearcher retries
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        except Exception:
            if state.fault is None:
                raise
        except BaseException:
            if pool.is_shared_connection and state.controller is not None:
                state.controller.cleanup()
            raise
    if state.fault is not None:
        raise state.fault
    return state.queue.end()


@dataclass
class _SearchState:
    """The state that the searcher and the scheduler share."""

    trials: Trials
    pool: RayPool
    queue: TrialQueue
    tasks: dict[str, RungTask] = field(default_factory=dict)
    """Tune's id of an open trial -> its current task."""
    loss_causes: dict[str, str] = field(default_factory=dict)
    """Tune's id of a trial -> why its process was lost."""
    fault: Exception | None = None
    """The error that ended the search, kept because Tune wraps it in long messages."""
    controller: Any = None
    """Tune's controller, which ends its actors after an Exception, but not after Ctrl-C."""

    @contextmanager
    def recording_faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.fault = self.fault or error
            raise

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune saves its searcher and scheduler, but the search never reads them again."""
        return {}


class _TrialSearcher(Searcher):
    """Begins the trials of a study, and resumes those whose process was lost."""

    def __init__(self, state: _SearchState) -> None:
        super().__init__()
        self._state = state
        self._lost: list[RungTask] = []
        self._losses: Counter[int] = Counter()

    def suggest(self, trial_id: str) -> Any:
        """Return a task as plain data, None while there is no room, or FINISHED once no trial is open.

        Tune does not ask again after FINISHED, and an open trial may still have to be resumed.
        """
        state = self._state
        if state.fault is not None:
            return Searcher.FINISHED
        with state.recording_faults():
            task = self._next()
        if task is None:
            return None if state.trials.num_open else Searcher.FINISHED
        state.tasks[trial_id] = task
        return task_config(task)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Resume a trial that ended with an error: its process was lost, as errors of the objective are results."""
        task = self._state.tasks.pop(trial_id)
        if not error:
            return
        cause = self._state.loss_causes.pop(trial_id)
        self._losses[task.number] += not is_node_loss(cause)
        if self._losses[task.number] <= MAX_LOSSES:
            self._lost.append(task)
            return
        with self._state.recording_faults():
            self._state.trials.record(task.number, None, loss_error(cause))

    def _next(self) -> RungTask | None:
        if self._lost:
            return self._lost.pop(0)
        has_room = self._state.trials.num_open < self._state.pool.capacity
        return self._state.queue.next() if has_room else None

    def save(self, checkpoint_path: str) -> None: ...
    def restore(self, checkpoint_path: str) -> None: ...


class _TrialScheduler(FIFOScheduler):
    """Records the result of each rung, and stops or promotes its trial by the study's rule."""

    def __init__(self, state: _SearchState) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._state = state

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Keep Tune's controller, which it makes known nowhere else."""
        self._state.controller = tune_controller

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]) -> str:
        """Record the rung, and return whether Tune has to continue with the next one."""
        state, content = self._state, result["content"]
        with state.recording_faults():
            if result["kind"] == "value":
                content = TrialRecord.model_validate_json(content)
            task_result = result_from(state.tasks[trial.trial_id].number, result["kind"], content)
            next_rung = record_ended(state.trials, task_result)
        if next_rung is None:
            return TrialScheduler.STOP
        state.tasks[trial.trial_id] = next_rung
        return TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Keep the cause of a loss for the searcher, which Tune calls later and without it."""
        text = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        self._state.loss_causes[trial.trial_id] = loss_cause(text.partition("\n")[2])


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

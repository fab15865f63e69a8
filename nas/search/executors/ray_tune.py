"""The trials of a study by Ray Tune: it places and watches them, `Trials` keeps the books.

    _Proposals     a Searcher: begins a trial when there is room for one, and again where its process is lost
    Rungs          a Trainable, of ray_rungs.py: evaluates one rung a step, in an actor
    _Decisions     a TrialScheduler: records each rung, and stops the trial or lets it go on

The Optuna study is the only truth. What Tune itself writes down is thrown away: a driver that was killed goes on from
the study, under any engine. An actor or a node that is lost costs the rung it was at: the trial is begun again there,
under its own number, from the trunk that the rung below left in the study's folder. Tune's own way to begin a trial
again is not used: it gives up one for which a warm actor was chosen that stood on the lost node.
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
from nas.search.executors.ray_pool import MAX_LOSSES, RayPool, cause_of_loss, given_up, is_of_node
from nas.search.executors.ray_rungs import Rungs, plain
from nas.search.trials import Trials
from nas.trial.task import RungTask, RunRung

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the old one says nothing when it is told to
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a search as under any engine
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",  # actors that start at once; how many trials there are is for _Proposals
}


def run_trials_by_ray(trials: Trials, objective: RunRung, pool: RayPool, budget: Budget) -> bool:
    """As `run_trials`, on the nodes of the cluster that `pool` is connected to."""
    shared = _Shared(trials, pool, TrialQueue(trials, budget))
    rungs = tune.with_parameters(Rungs, objective=objective, initialise=pool.initialise)
    with tempfile.TemporaryDirectory(prefix="codenas-tune-") as folder, _environment(_ENVIRONMENT):
        tuner = tune.Tuner(
            tune.with_resources(rungs, {"cpu": pool.ray_settings.cpus, "gpu": pool.ray_settings.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=_Proposals(shared),
                scheduler=_Decisions(shared),
                num_samples=-1,  # as many as are proposed
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                name="search",
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),  # _Proposals sees to them
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        except Exception:
            if shared.fault is None:
                raise
        except BaseException:
            if pool.is_connection_of_others and shared.controller is not None:
                shared.controller.cleanup()
            raise
    if shared.fault is not None:
        raise shared.fault
    return shared.queue.end()


@dataclass
class _Shared:
    """What the searcher and the scheduler have in common."""

    trials: Trials
    pool: RayPool
    queue: TrialQueue
    asked: dict[str, RungTask] = field(default_factory=dict)
    """Of each open trial, by Tune's id of it, the evaluation that it is at."""
    causes: dict[str, str] = field(default_factory=dict)
    """Why the process of a trial was lost, by Tune's id of it."""
    fault: Exception | None = None
    """What ends the search; Tune would wrap it in pages of its own."""
    controller: Any = None
    """Tune's own; it ends its actors after an Exception, not after Ctrl-C."""

    @contextmanager
    def keeping_faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.fault = self.fault or error
            raise

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes down what it is given. Nothing of this is read again."""
        return {}


class _Proposals(Searcher):
    """Begins the trials of a study, and has those begun again whose process was lost."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__()
        self._shared = shared
        self._lost: list[RungTask] = []
        self._losses: Counter[int] = Counter()

    def suggest(self, trial_id: str) -> Any:
        """An evaluation as plain data; None while all places are taken, FINISHED when no trial is open any more.

        Not before: Tune does not ask again after that.
        """
        shared = self._shared
        if shared.fault is not None:
            return Searcher.FINISHED
        with shared.keeping_faults():
            asked = self._next()
        if asked is None:
            return None if shared.trials.num_open else Searcher.FINISHED
        shared.asked[trial_id] = asked
        return plain(asked)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Its process or node was lost, where that is an error: those of the objective are results."""
        asked = self._shared.asked.pop(trial_id)
        if not error:
            return
        cause = self._shared.causes.pop(trial_id)
        self._losses[asked.number] += not is_of_node(cause)
        if self._losses[asked.number] <= MAX_LOSSES:
            self._lost.append(asked)
            return
        with self._shared.keeping_faults():
            self._shared.trials.record(asked.number, None, given_up(cause))

    def _next(self) -> RungTask | None:
        if self._lost:
            return self._lost.pop(0)
        has_room = self._shared.trials.num_open < self._shared.pool.room
        return self._shared.queue.next() if has_room else None

    def save(self, checkpoint_path: str) -> None: ...
    def restore(self, checkpoint_path: str) -> None: ...


class _Decisions(FIFOScheduler):
    """Records what each rung gave, and has the study's rule say whether its trial goes on."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shared = shared

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._shared.controller = tune_controller

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]) -> str:
        shared, content = self._shared, result["content"]
        with shared.keeping_faults():
            if result["kind"] == "value":
                content = TrialRecord.model_validate_json(content)
            ended = result_from(shared.asked[trial.trial_id].number, result["kind"], content)
            goes_on = record_ended(shared.trials, ended)
        if goes_on is None:
            return TrialScheduler.STOP
        shared.asked[trial.trial_id] = goes_on
        return TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Told before the searcher is."""
        said = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        self._shared.causes[trial.trial_id] = cause_of_loss(said.partition("\n")[2])


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

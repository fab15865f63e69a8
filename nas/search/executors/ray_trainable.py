"""A trial in an actor of Ray Tune. Workers import this module, so it imports little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from ray import tune

from nas.records.trial import TrialRecord
from nas.search.executors.executor import attempt
from nas.trial.task import RungTask, RunRung

_TASK_ADAPTER = TypeAdapter(RungTask)


class RungTrainable(tune.Trainable):
    """Runs one rung of a trial in each step, in an actor that is reused for other trials."""

    def setup(  # type: ignore[override]  # tune.with_parameters adds arguments
        self,
        config: dict[str, Any],
        objective: RunRung,
        initialise: Callable[[], object],
    ) -> None:
        """Initialise the worker for its first trial."""
        self._objective = objective
        initialise()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial; Tune requires True in return."""
        self._task = _TASK_ADAPTER.validate_python(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Run the current rung, and return what `attempt` returns, a record as JSON."""
        task = self._task
        kind, content = attempt(partial(self._objective, task))
        if isinstance(content, TrialRecord):
            content = content.model_dump_json()
        elif kind == "value":
            kind, content = "error", f"no record came back: {content!r}"
        self._task = replace(task, rung=task.rung + 1)  # the next step, if there is one
        return {"kind": kind, "content": content}


def task_config(task: RungTask) -> dict[str, Any]:
    """Return a task as the configuration of a trial of Tune."""
    return dict(_TASK_ADAPTER.dump_python(task, mode="json"))

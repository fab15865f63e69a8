"""A trial in an actor of Ray Tune. Workers import this: it is kept light, a worker is there sooner."""

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

_EVALUATION = TypeAdapter(RungTask)


class Rungs(tune.Trainable):
    """One rung a step; in an actor that serves one trial after the other."""

    def setup(  # type: ignore[override]  # the others are those of tune.with_parameters
        self,
        config: dict[str, Any],
        objective: RunRung,
        initialise: Callable[[], object],
    ) -> None:
        self._objective = objective
        initialise()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._asked = _EVALUATION.validate_python(new_config)
        return True

    def step(self) -> dict[str, Any]:
        asked = self._asked
        kind, content = attempt(partial(self._objective, asked))
        if isinstance(content, TrialRecord):
            content = content.model_dump_json()
        elif kind == "value":
            kind, content = "error", f"no record came back: {content!r}"
        self._asked = replace(asked, rung=asked.rung + 1)  # of the next step, if there is one
        return {"kind": kind, "content": content}


def plain(asked: RungTask) -> dict[str, Any]:
    """An evaluation as the configuration of a trial of Tune."""
    return dict(_EVALUATION.dump_python(asked, mode="json"))

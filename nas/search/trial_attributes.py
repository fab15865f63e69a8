"""A trial's record as user attributes of Optuna's trial: the study is the truth, files follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.records.trial import TrialRecord

RECORD_KEY = "record"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def ended_records(study: optuna.Study) -> list[TrialRecord]:
    """The records of all ended trials, by number."""
    return records_of(study, ENDED)


def records_of(study: optuna.Study, states: Sequence[TrialState]) -> list[TrialRecord]:
    """Those of trials in these states, by number; one that has finished no rung has none."""
    trials = study.get_trials(deepcopy=False, states=tuple(states))
    return [record for one in trials if (record := unfinished_record(one)) is not None]


def unfinished_record(trial: FrozenTrial) -> TrialRecord | None:
    """What a trial has written of itself so far."""
    written = trial.user_attrs.get(RECORD_KEY)
    return None if written is None else TrialRecord.model_validate(written)


def attributes_of(record: TrialRecord) -> dict[str, Any]:
    """A record as user attributes: the whole of it, so that what comes after can be made again, and the figures that
    people look at by name.
    """
    whole = {RECORD_KEY: record.model_dump(mode="json")}
    attributes: dict[str, Any] = {"architecture": record.architecture.describe(), "vocabulary": record.vocabulary}
    if record.reason is not None:
        attributes["reason"] = record.reason
    return whole | attributes | record.scores

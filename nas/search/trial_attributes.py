"""Trial records as user attributes of Optuna's trials: the study is the source of truth, files are derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.records.trial import TrialRecord

RECORD_KEY = "record"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def ended_records(study: optuna.Study) -> list[TrialRecord]:
    """Return the records of all ended trials, by number."""
    return records_of(study, ENDED)


def records_of(study: optuna.Study, states: Sequence[TrialState]) -> list[TrialRecord]:
    """Return the records of trials in these states, by number; a trial without a finished rung has none."""
    trials = study.get_trials(deepcopy=False, states=tuple(states))
    return [record for trial in trials if (record := unfinished_record(trial)) is not None]


def unfinished_record(trial: FrozenTrial) -> TrialRecord | None:
    """Return the record that a trial has stored so far; None if it has finished no rung."""
    stored = trial.user_attrs.get(RECORD_KEY)
    return None if stored is None else TrialRecord.model_validate(stored)


def attributes_of(record: TrialRecord) -> dict[str, Any]:
    """Return a record as user attributes: the whole record, and the figures that people look up by name."""
    whole = {RECORD_KEY: record.model_dump(mode="json")}
    attributes: dict[str, Any] = {"architecture": record.architecture.describe(), "vocabulary": record.vocabulary}
    if record.reason is not None:
        attributes["reason"] = record.reason
    return whole | attributes | record.scores

"""The scores of a COMPLETE trial as numbers that are surely there."""

from __future__ import annotations

from nas.records.study import TrialRecord


def val_bpb(record: TrialRecord) -> float:
    assert record.val_bpb is not None, "a COMPLETE trial has a val_bpb"
    return record.val_bpb


def collapse_rate(record: TrialRecord) -> float:
    assert record.collapse_rate is not None, "a COMPLETE trial has a collapse_rate"
    return record.collapse_rate


def fitness(record: TrialRecord) -> float:
    assert record.fitness is not None, "a COMPLETE trial has a fitness"
    return record.fitness

"""Inputs of a report: a study, several studies, runs of nas.train, or an Optuna storage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from nas.errors import UsageError

STUDY_FILE = "study.json"


class Input(Enum):
    """Kind of input, in words, and the flags that it accepts."""

    LIST = "a list of studies", ()
    STORAGE = "an Optuna storage", ("out", "study")
    STUDY = "a study", ("png", "json", "out", "collapse_weight", "format", "no_samples")
    STUDY_TEXT = "a study as text", ("text", "collapse_weight")
    STUDIES = "a page of several studies", ("out", "collapse_weight")
    RUNS = "runs of nas.train", ("png", "json", "out")


def input_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Input:
    """Return what the command line asks a report of; UsageError for a flag that does not go with it."""
    kind = _kind_of(options)
    words, allowed = kind.value
    for name, value in vars(options).items():
        if name not in ("folders", "list", *allowed) and value != parser.get_default(name):
            flags = ", ".join(map(_flag, allowed)) or "no other flag"
            raise UsageError(f"{_flag(name)} does not go with {words}, which takes {flags}")
    return kind


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _kind_of(options: argparse.Namespace) -> Input:
    if options.list:
        return Input.LIST
    if any(map(is_storage, options.folders)):
        if len(options.folders) > 1:
            raise UsageError("an Optuna storage is reported alone")
        return Input.STORAGE
    if not are_studies(options.folders):
        return Input.RUNS
    if len(options.folders) > 1:
        return Input.STUDIES
    return Input.STUDY_TEXT if options.text else Input.STUDY


def is_storage(given: str) -> bool:
    """Return whether it is a database URL or a SQLite file, and not a folder."""
    return "://" in given or (given.endswith((".db", ".sqlite3")) and not Path(given).is_dir())


def are_studies(given: Sequence[str]) -> bool:
    """Return whether the folders are studies, and not training runs; UsageError if they are neither, or mixed."""
    from nas.records.training import is_training_run

    if not given:
        raise UsageError("give a study, such as trials/NAME, or runs of nas.train; --list shows the studies")
    folders = [Path(name) for name in given]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"no folder {folder}; give a study, such as trials/NAME, or runs of nas.train, such as runs/NAME"
            )
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("a folder is given twice; give different ones to compare them")
    studies = [folder for folder in folders if (folder / STUDY_FILE).is_file()]
    runs = [folder for folder in folders if folder not in studies and is_training_run(folder)]
    for folder in folders:
        if folder not in studies and folder not in runs:
            raise UsageError(
                f"{folder} is neither a study of nas.search (no {STUDY_FILE}) nor a run of nas.train (no run.json)"
            )
    if studies and runs:
        raise UsageError(f"{runs[0]} is a run of nas.train and others are studies; compare runs or studies")
    return bool(studies)

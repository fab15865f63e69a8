"""The folder of a run and its files, apart from the checkpoints.

run.json            what the run is, and its command; a run of other settings is refused
log.jsonl           one line per evaluation: step, losses, val_bpb, learning rate, samples, seconds
checkpoints/        where to resume, and where to roll back to: nas/train/checkpoints.py
best.safetensors    the weights of the best evaluation so far
tokenizer.json, arch.json
summary.json        at the end: the verdict on the holdout
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.architecture.config import ArchitectureConfig
from nas.errors import CheckpointError, UsageError
from nas.inference.language_model import BEST_WEIGHTS, TOKENIZER_FILE
from nas.records.differences import describe_differences
from nas.records.training import LOG_FILE, RUN_FILE, TrainingLine
from nas.system.files import json_text, write_atomically, write_json, write_text
from nas.tokenizer.vocabulary import Vocabulary
from nas.train.plan import TrainingPlan
from nas.training.weights import read_tensors, write_weights

ARCH_FILE, STUDY_FILE = "arch.json", "study.json"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run in `path`."""

    path: Path

    @property
    def best_weights(self) -> Path:
        return self.path / BEST_WEIGHTS

    def open(self, plan: TrainingPlan, vocabulary: Vocabulary, command: str | None) -> None:
        """Create the folder of a new run, or check that it holds this run.

        Raise UsageError if it holds a run of other settings or the files of a search, CheckpointError if a file is
        damaged.
        """
        run_file = self.path / RUN_FILE
        if run_file.exists():
            self._check_same_run(plan, vocabulary)
            return
        self._check_nothing_is_overwritten(plan.architecture)
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / TOKENIZER_FILE, vocabulary.save)
        write_json(self.path / ARCH_FILE, _arch_json(plan.architecture))
        write_json(run_file, plan.identity() | ({"command": command} if command else {}))

    def append_log(self, line: TrainingLine) -> None:
        """Add a line to the log."""
        with (self.path / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line.model_dump()) + "\n")

    def cut_log(self, step: int) -> None:
        """Remove the lines after `step`, whose steps are done again, and torn ones."""
        log = self.path / LOG_FILE
        if log.exists():
            lines = log.read_text(encoding="utf-8").splitlines()
            valid = [line for line in lines if _step_of(line) <= step]
            if valid != lines:
                write_text(log, "".join(line + "\n" for line in valid))

    def write_best(self, architecture: ArchitectureConfig, weights: Mapping[str, Tensor]) -> None:
        """Write the best weights."""
        write_weights(architecture, weights, self.best_weights)

    def holds_best(self, weights: Mapping[str, Tensor]) -> bool:
        """Return whether the file of the best weights is valid and holds these."""
        try:
            stored, _ = read_tensors(self.best_weights)
        except CheckpointError:
            return False
        same = stored.keys() == weights.keys()
        return same and all(torch.equal(stored[name], value) for name, value in weights.items())

    def _check_nothing_is_overwritten(self, architecture: ArchitectureConfig) -> None:
        """Raise UsageError in the folder of a search or of an arch JSON, whose files a run would overwrite."""
        arch = self.path / ARCH_FILE
        is_own = not arch.exists() or arch.read_text(encoding="utf-8") == json_text(_arch_json(architecture))
        if not is_own or (self.path / STUDY_FILE).exists():
            raise UsageError(f"{self.path} holds an arch.json or a study that is not of a run; use another --out")

    def _check_same_run(self, plan: TrainingPlan, vocabulary: Vocabulary) -> None:
        run_file = self.path / RUN_FILE
        try:
            stored = json.loads(run_file.read_text(encoding="utf-8"))
            if not isinstance(stored, dict):
                raise ValueError(f"not an object of keys but {type(stored).__name__}")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{run_file} is damaged ({error}); use another --out to start again") from None
        different = describe_differences(stored, plan.identity())
        if different is None and self._stored_tokenizer() != vocabulary.to_json():
            different = "another tokenizer"
        if different is not None:
            raise UsageError(
                f"{self.path} holds a run with other settings ({different}); "
                "repeat its settings to resume it, or use another --out"
            )

    def _stored_tokenizer(self) -> str:
        path = self.path / TOKENIZER_FILE
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); use another --out to start again") from None


def _arch_json(architecture: ArchitectureConfig) -> dict[str, Any]:
    return {"architecture": architecture.model_dump(mode="json")}


def _step_of(line: str) -> float:
    """Return the step of a log line; infinity for a torn one."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf

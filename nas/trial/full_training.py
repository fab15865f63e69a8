"""Full training of one architecture: the trial's loop for as long as a user likes, in a folder that survives a kill.

run.json            what the run is; a run of other settings is refused
log.jsonl           one line an evaluation: step, losses, val_bpb, val_novel_bpb, learning rate, seconds
last.safetensors    weights, optimiser and step: where to go on
best.safetensors    the weights of the best evaluation so far
tokenizer.json, arch.json
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.architecture import ArchitectureConfig
from nas.data import PreparedData, Vocabulary
from nas.errors import CheckpointError, UsageError
from nas.files import write_atomically, write_json, write_text
from nas.model import Decoder
from nas.trial.bits_per_byte import measure_with_novel
from nas.trial.checkpoint import Progress, restore_checkpoint, save_checkpoint
from nas.trial.language_model import BEST_WEIGHTS, TOKENIZER_FILE
from nas.trial.numerics import Numerics
from nas.trial.recipe import Recipe
from nas.trial.training import Training
from nas.trial.weights import save_weights

LAST_CHECKPOINT = "last.safetensors"
RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the result of a run."""

    architecture: ArchitectureConfig
    recipe: Recipe
    numerics: Numerics
    corpus_hash: str
    evaluate_every: int
    """Steps between two evaluations; each one also writes a checkpoint."""
    validation_bytes: int

    def identity(self) -> dict[str, Any]:
        identity = {
            "architecture": self.architecture.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "numerics": self.numerics.model_dump(mode="json"),
            "corpus_hash": self.corpus_hash,
            "evaluate_every": self.evaluate_every,
            "validation_bytes": self.validation_bytes,
        }
        return dict(json.loads(json.dumps(identity)))


def run_numerics(planned: Numerics, folder: Path) -> Numerics:
    """`planned`, with precision and threads of the run in `folder` where there is one."""
    try:
        return planned.kept(json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["numerics"])
    except (OSError, ValueError, KeyError, TypeError):
        return planned  # a damaged file is refused with its reason when the run is opened


class FullTraining:
    """A run in its folder: new, or gone on with from its last checkpoint, with the same result either way."""

    def __init__(
        self, folder: Path, plan: TrainingPlan, vocabulary: Vocabulary, tokens: NDArray[np.integer], data: PreparedData
    ) -> None:
        """`tokens`: the training stream, (num_tokens,). UsageError when `folder` holds a run of other settings."""
        self.folder = folder
        self.plan = plan
        self._vocabulary = vocabulary
        self._validation = vocabulary.encode_documents(data.evaluation_documents("validation", plan.validation_bytes))
        self._novel = data.novel_bytes("validation", plan.validation_bytes)
        self._training = Training(Decoder(plan.architecture, seed=plan.recipe.seed), tokens, plan.recipe, plan.numerics)
        self._progress = self._begin_or_resume()

    @property
    def step(self) -> int:
        return self._training.step

    @property
    def best(self) -> Progress:
        return self._progress

    def run(self, on_steps: Callable[[int, float], None]) -> Iterator[dict[str, Any]]:
        """Train to the end; yields each line of the log. `on_steps` hears (step, mean loss) in between.

        A checkpoint is written at every line, and the best weights before it.
        """
        recipe = self.plan.recipe
        while self._training.step < recipe.num_steps:
            target = min(recipe.num_steps, (self.step // self.plan.evaluate_every + 1) * self.plan.evaluate_every)
            started, first, total = time.perf_counter(), self.step, 0.0
            while self.step < target:
                steps = min(10 - self.step % 10, target - self.step)
                loss = self._training.advance(steps)
                total += loss * steps
                on_steps(self.step, loss)
            seconds = time.perf_counter() - started
            yield self._evaluate(total / (target - first), (target - first) * recipe.batch_tokens / seconds)

    def _evaluate(self, train_loss: float, tokens_per_second: float) -> dict[str, Any]:
        started = time.perf_counter()
        likelihood = measure_with_novel(self._training.model, self._vocabulary, self._validation, self._novel)
        line = {
            "step": self.step,
            "train_loss": train_loss,
            "val_bpb": likelihood.bpb,
            "val_novel_bpb": likelihood.novel_bpb,
            "val_perplexity": likelihood.perplexity,
            "learning_rate": self.plan.recipe.learning_rate_at(self.step - 1),
            "measured": {
                "tokens_per_second": tokens_per_second,
                "evaluate_seconds": time.perf_counter() - started,
            },
        }
        progress = self._progress
        if likelihood.bpb < progress.best_val_bpb:
            progress = Progress(self.step, self.step, likelihood.bpb, likelihood.novel_bpb)
            save_weights(self._training.model, self.folder / BEST_WEIGHTS)
        self._progress = replace(progress, step=self.step)
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        save_checkpoint(self._training, self._progress, self.folder / LAST_CHECKPOINT)
        return line

    def _begin_or_resume(self) -> Progress:
        run_file, last = self.folder / RUN_FILE, self.folder / LAST_CHECKPOINT
        if run_file.exists():
            self._check_same_run(run_file)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / TOKENIZER_FILE, self._vocabulary.save)
            write_json(self.folder / "arch.json", {"architecture": self.plan.architecture.model_dump(mode="json")})
            write_json(run_file, self.plan.identity())
        if not last.exists():
            self._cut_log(0)
            return Progress(0, 0, math.inf)
        progress = restore_checkpoint(self._training, last)
        self._cut_log(progress.step)
        return progress

    def _check_same_run(self, run_file: Path) -> None:
        try:
            stored = dict(json.loads(run_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(f"{run_file} is damaged ({error}); use another --out to start afresh") from None
        asked = self.plan.identity()
        different = [key for key in asked if stored.get(key) != asked[key]]
        if not different and self._stored_tokenizer() != self._vocabulary.to_json():
            different = ["tokenizer"]
        if different:
            raise UsageError(
                f"{self.folder} holds a run with another {', '.join(different)}; "
                "repeat its settings to go on, or use another --out"
            )

    def _stored_tokenizer(self) -> str:
        path = self.folder / TOKENIZER_FILE
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); use another --out to start afresh") from None

    def _cut_log(self, step: int) -> None:
        """Leave out what a killed run logged after its last checkpoint: those steps are done again."""
        log = self.folder / LOG_FILE
        if log.exists():
            lines = [line for line in log.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            write_text(log, "".join(line + "\n" for line in lines))


def _step_of(line: str) -> float:
    """The step of a log line; infinite for a torn one."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf

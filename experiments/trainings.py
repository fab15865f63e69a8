"""Trainings of an experiment: each is done once, in a worker process, and kept as one line of a results file.

The key of a training names everything that decides it, so that the same command resumes after a stop, and tables are
made from the lines alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from experiments.results_file import ResultsFile, read_results
from experiments.scoring import COMPLETION_BYTES, block_bits, collapse_digits
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import Diverged, StudyError
from nas.evaluate.code_prompts import PROMPTS_VERSION
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.inference.bits_per_byte import EVALUATION_VERSION
from nas.search.executors.executor import Task, run_tasks
from nas.search.executors.workers import WorkerPool
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.training.numerics import Numerics
from nas.training.recipe import RECIPE_VERSION, Recipe, plan_recipe
from nas.training.weights import load_weights, save_weights
from nas.trial.train import train_model


@dataclass(frozen=True)
class TrainingSpec:
    """One training to do: an architecture, its FLOPs, and the seed."""

    candidate: Candidate
    training: TrainingSection
    seed: int
    learning_rate: float | None = None
    """Replaces the rate of the learning-rate rule."""
    with_completions: bool = False
    """Whether bits of each block and collapse of completions are kept too."""

    @property
    def recipe(self) -> Recipe:
        planned = plan_recipe(
            self.candidate.architecture,
            num_steps=self.training.num_steps(self.candidate.architecture),
            batch_tokens=self.training.batch_tokens,
            seq_length=self.training.max_seq_length,
            lr_multiplier=self.candidate.lr_multiplier,
            seed=self.seed,
        )
        return planned.model_copy(update={"learning_rate": self.learning_rate or planned.learning_rate})

    @property
    def key(self) -> str:
        training = self.training
        return (
            f"{self.candidate.architecture.id} {self.candidate.vocabulary} flops {training.trial_flops:.4g} "
            f"batch {training.batch_tokens} lr {self.recipe.learning_rate:.5g} seed {self.seed}"
        )


class TrainingResult(BaseModel):
    """One line of the file: how a model was trained, and its scores on validation."""

    # JSON has no infinity: that of a diverged training is written as a string, which reads back as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    key: str
    architecture: ArchitectureConfig
    vocabulary: str
    train_flops: float
    """The budget; `num_steps` is the number of whole steps that fit into it."""
    batch_tokens: int
    learning_rate: float
    seed: int
    num_steps: int
    val_bpb: float
    """Bits per byte of the whole validation split; infinite when training diverged."""
    block_bits: tuple[float, ...] = ()
    """Bits of each block of BLOCK_BYTES bytes of the validation split, a token counted where it begins."""
    collapsed: dict[str, dict[int, str]] = {}
    """Decoding -> bytes of the completion -> one digit per prompt, 1 where the completion has collapsed."""
    train_seconds: float | None = None
    """None where the weights were loaded instead of trained."""

    def collapse_rate(self, decoding: str, num_bytes: int, num_prompts: int | None = None) -> float:
        """Return the share of the first `num_prompts` prompts, None for all, whose completion has collapsed."""
        digits = self.collapsed[decoding][num_bytes][:num_prompts]
        return digits.count("1") / len(digits)


def read_trainings(path: Path) -> dict[str, TrainingResult]:
    """Return the trainings of a file by key, without a check of their identity; StudyError when a line is damaged."""
    return read_results(path, TrainingResult, _key)


class Trainings:
    """The results file of an experiment and what is needed to add to it."""

    def __init__(
        self,
        path: Path,
        data: PreparedData,
        numerics: Numerics,
        command: str,
        num_workers: int,
        weights: Path | None = None,
    ) -> None:
        """Open or begin the file; StudyMismatch when it was made otherwise.

        With a folder of `weights` models are kept there, and a model that is there is not trained again: scoring all
        of them by another detector or on other prompts, into a new file, then costs no training.
        """
        identity = _identity(data, numerics)
        self.results = ResultsFile(
            path, TrainingResult, _key, identity=identity, command=command, num_workers=num_workers
        )
        self._data, self._numerics, self._num_workers = data, numerics, num_workers
        self._weights = weights / _digest(identity["training"]) if weights else None

    def run(self, specs: Sequence[TrainingSpec], deadline: float) -> bool:
        """Do the missing trainings in order and return whether all of `specs` are done.

        None is started after `deadline`, a time of time.monotonic(). Raises StudyError when a training failed.
        """
        missing = [spec for spec in specs if spec.key not in self.results]
        if not missing:
            return True
        num_done = len(specs) - len(missing)
        with WorkerPool(self._num_workers, self._numerics.apply) as pool:
            for ended in run_tasks(pool, self._tasks(missing, deadline)):
                if not isinstance(ended.value, TrainingResult):
                    raise StudyError(f"the training '{ended.key}' failed: {ended.error}")
                num_done += 1
                self.results.add(ended.value)
                took = f", {ended.value.train_seconds:.0f} s" if ended.value.train_seconds else ""
                progress = f"{num_done} of {len(specs)}: {ended.key}: {ended.value.val_bpb:.4f} bits per byte{took}"
                print(progress, file=sys.stderr, flush=True)
        return num_done == len(specs)

    def _tasks(self, specs: Sequence[TrainingSpec], deadline: float) -> Iterator[tuple[str, Task]]:
        for spec in specs:
            if time.monotonic() >= deadline:
                return
            yield spec.key, partial(train_and_score, spec, self._data, self._numerics, self._weights)


def train_and_score(
    spec: TrainingSpec, data: PreparedData, numerics: Numerics, weights: Path | None = None
) -> TrainingResult:
    """Do one training, or load its model from `weights`, and score it; a diverged one gets infinite bits per byte."""
    architecture, recipe = spec.candidate.architecture, spec.recipe
    vocabulary = data.vocabulary(spec.candidate.vocabulary)
    path = weights / f"{_digest(spec.key)}.safetensors" if weights else None
    scores: dict[str, Any] = {"val_bpb": math.inf}
    try:
        if path and path.exists():
            model = load_weights(path)
        else:
            trained = train_model(architecture, vocabulary.name, data, recipe, numerics)
            model = trained.model
            scores["train_seconds"] = round(trained.seconds, 1)
            if path:
                save_weights(model, path)
        bits = block_bits(model, vocabulary, data)
        scores["val_bpb"] = float(bits.sum()) / data.manifest["splits"]["validation"]["bytes"]
        if spec.with_completions:
            scores["block_bits"] = tuple(round(float(block), 1) for block in bits)
            max_prompt_bytes = spec.training.prompt_bytes(max(COMPLETION_BYTES))
            scores["collapsed"] = collapse_digits(model, vocabulary, data, max_prompt_bytes)
    except Diverged:
        pass
    return TrainingResult(
        key=spec.key,
        architecture=architecture,
        vocabulary=vocabulary.name,
        train_flops=spec.training.trial_flops,
        batch_tokens=recipe.batch_tokens,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        num_steps=recipe.num_steps,
        **scores,
    )


def _key(result: TrainingResult) -> str:
    return result.key


def _identity(data: PreparedData, numerics: Numerics) -> dict[str, Any]:
    """Return what decides a result and is not in its line: for the training, and for its scores."""
    return {
        "training": {
            "corpus": data.corpus_hash,
            "recipe": {"version": RECIPE_VERSION, **_fixed_recipe()},
            "numerics": numerics.model_dump(mode="json"),
        },
        "versions": {"detector": DETECTOR_VERSION, "prompts": PROMPTS_VERSION, "evaluation": EVALUATION_VERSION},
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _fixed_recipe() -> dict[str, Any]:
    """Return the part of the recipe that all trainings share: everything but what a line says."""
    any_shape = {"num_layers": 1, "hidden_dim": 2, "num_heads": 1, "ffn_multiplier": 1, "vocab_size": 2}
    architecture = ArchitectureConfig.parse({**any_shape, "max_seq_length": 2})
    recipe = plan_recipe(architecture, num_steps=1000, batch_tokens=2, seq_length=2)
    return recipe.model_dump(mode="json", exclude={"learning_rate", "num_steps", "batch_size", "seq_length", "seed"})

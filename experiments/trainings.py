"""The trainings behind a study in docs/: each done once, in worker processes, one JSON line each.

A training is named by all that decides it, so the same command goes on where it was stopped, and figures
are made from the lines alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from experiments.scoring import COMPLETION_BYTES, block_bits, collapse_digits
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import Diverged, StudyError
from nas.evaluate.code_prompts import PROMPTS_VERSION
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.inference.bits_per_byte import EVALUATION_VERSION
from nas.records.json_lines import read_json_lines
from nas.search.executors.workers import WorkerPool
from nas.search.identity import check_identity
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.system.files import write_json, write_text
from nas.system.provenance import provenance
from nas.training.numerics import Numerics
from nas.training.recipe import RECIPE_VERSION, Recipe, plan_recipe
from nas.training.weights import load_weights, save_weights
from nas.trial.train import train_model


@dataclass(frozen=True)
class Wanted:
    """One training: of which architecture, on how many FLOPs, under which recipe and seed."""

    candidate: Candidate
    training: TrainingSection
    seed: int
    learning_rate: float | None = None
    """In place of the rule's."""
    generates: bool = False
    """Whether completions are made and judged too."""

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


class Trained(BaseModel):
    """One line of the file: what a training was, and what its model scored on validation."""

    # JSON has no infinity: a diverged training's stands there as a string, which reads back as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    key: str
    architecture: ArchitectureConfig
    vocabulary: str
    train_flops: float
    """As given to the training; `num_steps` whole steps fit into it."""
    batch_tokens: int
    learning_rate: float
    seed: int
    num_steps: int
    val_bpb: float
    """On all of the validation split; infinite when training diverged."""
    block_bits: tuple[float, ...] = ()
    """Bits of each block of BLOCK_BYTES bytes of the validation split, a token counted where it begins."""
    collapsed: dict[str, dict[int, str]] = {}
    """Decoding -> bytes of the completion -> a digit a prompt, 1 where the completion has collapsed."""
    train_seconds: float | None = None
    """None where the model was trained before."""

    def collapse_rate(self, decoding: str, num_bytes: int, num_prompts: int | None = None) -> float:
        """Of the first `num_prompts` prompts, or of all."""
        digits = self.collapsed[decoding][num_bytes][:num_prompts]
        return digits.count("1") / len(digits)


class Trainings:
    """The file of a study and what is needed to add to it."""

    def __init__(
        self, path: Path, data: PreparedData, numerics: Numerics, command: str, weights: Path | None = None
    ) -> None:
        """`path`: the JSON lines; its provenance stands beside it. StudyMismatch when it was made otherwise.

        With a folder of `weights` models are kept there, and one that is there is not trained again: a new
        file of lines, judged by another detector or on other prompts, then costs no training.
        """
        self._path = path
        self._data = data
        self._numerics = numerics
        self._provenance_file = path.with_suffix(".provenance.json")
        self._identity = json.loads(json.dumps(_identity(data, numerics)))
        self._weights = weights / _digest(self._identity["training"]) if weights else None
        self._check_identity(command)
        self.done = {one.key: one for one in read_trained(path)}
        if path.exists():  # without the line that a kill may have torn
            write_text(path, "".join(one.model_dump_json() + "\n" for one in self.done.values()))

    def run(self, wanted: Sequence[Wanted], num_workers: int, deadline: float) -> bool:
        """Do those of `wanted` that are missing, in order, none begun after `deadline` (time.monotonic).

        Whether all are done now. StudyError when a training failed.
        """
        missing = [one for one in wanted if one.key not in self.done]
        if not missing:
            return True
        num_done = len(wanted) - len(missing)
        with WorkerPool(num_workers, self._numerics.apply) as pool:
            running = 0
            while missing or running:
                while missing and pool.num_free and time.monotonic() < deadline:
                    one = missing.pop(0)
                    pool.submit(one.key, partial(train_and_score, one, self._data, self._numerics, self._weights))
                    running += 1
                if not running:
                    return False
                for ended in pool.wait():
                    if not isinstance(ended.value, Trained):
                        raise StudyError(f"the training '{ended.key}' failed: {ended.error}")
                    running, num_done = running - 1, num_done + 1
                    self._append(ended.value)
                    took = f", {ended.value.train_seconds:.0f} s" if ended.value.train_seconds else ""
                    say = f"{num_done} of {len(wanted)}: {ended.key}: {ended.value.val_bpb:.4f} bits per byte{took}"
                    print(say, file=sys.stderr, flush=True)
        return True

    def of(self, wanted: Wanted) -> Trained:
        return self.done[wanted.key]

    def _append(self, one: Trained) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(one.model_dump_json() + "\n")
        self.done[one.key] = one

    def _check_identity(self, command: str) -> None:
        if self._provenance_file.exists():
            stored = json.loads(self._provenance_file.read_text(encoding="utf-8"))
            check_identity(self._path.stem, stored["identity"], self._identity)
        else:
            write_json(self._provenance_file, {"identity": self._identity, **provenance(command, num_workers=1)})


def read_trained(path: Path) -> list[Trained]:
    """The lines of the file; a torn last one is left out. StudyError when another is damaged."""
    return read_json_lines(path, Trained, "training", StudyError) if path.exists() else []


def train_and_score(wanted: Wanted, data: PreparedData, numerics: Numerics, weights: Path | None = None) -> Trained:
    """Do one training, or find its model in `weights`, and judge it; a diverged one is infinitely bad."""
    architecture, recipe = wanted.candidate.architecture, wanted.recipe
    vocabulary = data.vocabulary(wanted.candidate.vocabulary)
    path = weights / f"{_digest(wanted.key)}.safetensors" if weights else None
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
        if wanted.generates:
            scores["block_bits"] = tuple(round(float(one), 1) for one in bits)
            max_prompt_bytes = wanted.training.prompt_bytes(max(COMPLETION_BYTES))
            scores["collapsed"] = collapse_digits(model, vocabulary, data, max_prompt_bytes)
    except Diverged:
        pass
    return Trained(
        key=wanted.key,
        architecture=architecture,
        vocabulary=vocabulary.name,
        train_flops=wanted.training.trial_flops,
        batch_tokens=recipe.batch_tokens,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        num_steps=recipe.num_steps,
        **scores,
    )


def _identity(data: PreparedData, numerics: Numerics) -> dict[str, Any]:
    """What decides a line beside what it tells itself: of the training, and of the metrics."""
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
    """What every training shares of the recipe: all but what a line of the file tells."""
    any_shape = {"num_layers": 1, "hidden_dim": 2, "num_heads": 1, "ffn_multiplier": 1, "vocab_size": 2}
    architecture = ArchitectureConfig.parse({**any_shape, "max_seq_length": 2})
    recipe = plan_recipe(architecture, num_steps=1000, batch_tokens=2, seq_length=2)
    return recipe.model_dump(mode="json", exclude={"learning_rate", "num_steps", "batch_size", "seq_length", "seed"})

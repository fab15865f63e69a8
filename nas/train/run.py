"""A full training of one architecture: the trial's loop for as long as a user likes, in a folder that survives a kill.

run.json            what the run is, and its command; a run of other settings is refused
log.jsonl           one line an evaluation: step, losses, val_bpb, learning rate, samples, seconds
checkpoints/        where to go on, and where to go back to: nas/train/checkpoints.py
best.safetensors    the weights of the best evaluation so far
tokenizer.json, arch.json
summary.json        at the end: the verdict on the holdout
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nas.data.prepared import PreparedData
from nas.errors import CheckpointError, Diverged, UsageError
from nas.evaluate.metrics import SAMPLED, complete
from nas.inference.bits_per_byte import measure_with_novel
from nas.inference.language_model import BEST_WEIGHTS, TOKENIZER_FILE
from nas.records.differences import difference_words
from nas.records.training import LOG_FILE, RUN_FILE, RollBack, TimeSpent, TrainingLine, WatchedSample
from nas.system.files import json_text, write_atomically, write_json
from nas.tokenizer.vocabulary import Vocabulary
from nas.train.checkpoint import RunState, Seconds
from nas.train.checkpoints import Checkpoints
from nas.train.log import cut_log
from nas.train.plan import TrainingPlan
from nas.train.progress import Progress
from nas.train.teacher import Teacher
from nas.training.trainer import memory_errors
from nas.training.weights import read_tensors, write_weights

ARCH_FILE, STUDY_FILE = "arch.json", "study.json"
MAX_ROLLBACKS = 3
WATCHED_PROMPTS = ("def add(a, b):", "class Stack:")
"""Completed at each evaluation, with the same random numbers each time."""
_WATCHED_BYTES = 100
_CHUNK_SECONDS = 0.5


class FullTraining:
    """A run in its folder: new, or gone on with from its last checkpoint, with the same result either way."""

    def __init__(
        self,
        folder: Path,
        plan: TrainingPlan,
        vocabulary: Vocabulary,
        tokens: NDArray[np.integer],
        data: PreparedData,
        *,
        teacher: Teacher | None = None,
        keep: int = 2,
        save_seconds: float = 600.0,
        command: str | None = None,
    ) -> None:
        """`tokens`: the training stream, (num_tokens,). UsageError when `folder` holds a run of other settings.

        `keep` checkpoints of evaluations stay; between them one is written after every `save_seconds`. `command` is
        what a user types to go on; a new run writes it down.
        """
        self.folder = folder
        self.plan = plan
        self.checkpoints = Checkpoints(folder / "checkpoints", keep)
        self.progress, self.seconds = Progress(), Seconds()
        self._best: Mapping[str, torch.Tensor] = {}
        self._save_seconds = save_seconds
        self._command = command
        self._vocabulary = vocabulary
        self._tokens, self._teacher = tokens, teacher
        self._validation = vocabulary.encode_documents(data.evaluation_documents("validation", plan.validation_bytes))
        self._novel = data.novel_bytes("validation", plan.validation_bytes)
        self._training = plan.new_training(tokens, teacher)
        self._begin_or_resume()

    @property
    def step(self) -> int:
        return self.progress.step

    @property
    def best_weights(self) -> Path:
        return self.folder / BEST_WEIGHTS

    @property
    def is_finished(self) -> bool:
        return self.step >= self.plan.recipe.num_steps

    def run(
        self, on_steps: Callable[[int, float], None], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[TrainingLine]:
        """Train to the end, or until `should_stop` says so; yields each line of the log.

        `on_steps` hears (step, mean loss) about twice a second. A checkpoint is written at every line, after the best
        weights and the line itself, and when it stops. A training that falls apart is taken back to the last
        line, with half the learning rate, MAX_ROLLBACKS times; then it raises Diverged.
        """
        while not self.is_finished:
            every = self.plan.evaluate_every
            target = min(self.plan.recipe.num_steps, (self.step // every + 1) * every)
            try:
                self._train_to(target, on_steps, should_stop)
                if self.step < target:
                    self._save_between()
                    return
                line = self._evaluate()
            except Diverged as error:
                reason = str(error)  # not the error itself, which holds on to the model
            else:
                yield line
                continue
            self._roll_back(reason)

    def _train_to(self, target: int, on_steps: Callable[[int, float], None], should_stop: Callable[[], bool]) -> None:
        steps, saved = 1, time.monotonic()
        while self.step < target and not should_stop():
            started = time.perf_counter()
            losses = self._training.step_losses(min(steps, target - self.step), should_stop)
            taken = time.perf_counter() - started
            self.seconds = replace(self.seconds, training=self.seconds.training + taken)
            self.progress = self.progress.after(losses)
            on_steps(self.step, sum(losses) / len(losses))
            steps = max(1, int(len(losses) * min(2.0, _CHUNK_SECONDS / taken)))
            # Not at an evaluation, which writes one itself: a run that went on from there would leave it out.
            if self.step < target and time.monotonic() - saved > self._save_seconds:
                self._save_between()
                saved = time.monotonic()

    def _save_between(self) -> None:
        self.checkpoints.save(self._training, self._standing, between=True)

    @property
    def _standing(self) -> RunState:
        return RunState(self.progress, self.seconds, self._best)

    def _stand(self, at: RunState | None) -> None:
        """Go on from a checkpoint, or from the beginning; the file of the best weights follows."""
        at = at or RunState(Progress(), Seconds(), {})
        self.progress, self.seconds, self._best = at.progress, at.seconds, at.best
        if self._best and not self._best_is_kept():
            self._write_best()
        cut_log(self.folder / LOG_FILE, self.step)

    def _best_is_kept(self) -> bool:
        """False where the file is missing or damaged, or of steps that are done again in another way."""
        try:
            stored, _ = read_tensors(self.best_weights)
        except CheckpointError:
            return False
        same = stored.keys() == self._best.keys()
        return same and all(torch.equal(stored[name], value) for name, value in self._best.items())

    def _write_best(self) -> None:
        write_weights(self.plan.architecture, self._best, self.best_weights)

    def _evaluate(self) -> TrainingLine:
        started = time.perf_counter()
        with memory_errors(), self._training.evaluation_weights():
            line = self._measure()
            self._keep_if_best(line)
        self.seconds = replace(self.seconds, watching=self.seconds.watching + time.perf_counter() - started)
        self.progress = self.progress.model_copy(update={"loss_sum": 0.0})
        trained = self.step * self.plan.recipe.batch_tokens
        spent = TimeSpent(
            train_seconds=self.seconds.training,
            watch_seconds=self.seconds.watching,
            tokens_per_second=trained / self.seconds.training,
        )
        line = line.model_copy(update={"measured": spent})
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line.model_dump()) + "\n")
        self.checkpoints.save(self._training, self._standing)
        return line

    def _measure(self) -> TrainingLine:
        """A line of the log, what a clock says left out. Diverged where the weights are no numbers."""
        plan, model = self.plan, self._training.model
        likelihood = measure_with_novel(model, self._vocabulary, self._validation, self._novel)
        texts, _ = complete(model, self._vocabulary, WATCHED_PROMPTS, SAMPLED, self._watched_bytes)
        return TrainingLine(
            step=self.step,
            train_flops=plan.step_flops * self.step,
            train_loss=self.progress.loss_sum / ((self.step - 1) % plan.evaluate_every + 1),
            val_bpb=likelihood.bpb,
            val_novel_bpb=likelihood.novel_bpb,
            val_perplexity=likelihood.perplexity,
            learning_rate=self.progress.lr_scale * plan.recipe.learning_rate_at(self.step - 1),
            rollbacks=self.progress.rollbacks,
            samples=tuple(
                WatchedSample(prompt=prompt, completion=text)
                for prompt, text in zip(WATCHED_PROMPTS, texts, strict=True)
            ),
        )

    @property
    def _watched_bytes(self) -> int:
        return min(_WATCHED_BYTES, self.plan.architecture.max_seq_length // 2)

    def _keep_if_best(self, line: TrainingLine) -> None:
        best = self.progress.best_val_bpb
        if best is None or line.val_bpb < best:
            found = {
                "best_step": self.step,
                "best_val_bpb": line.val_bpb,
                "best_val_novel_bpb": line.val_novel_bpb,
            }
            self.progress = self.progress.model_copy(update=found)
            self._best = {name: one.detach().cpu().clone() for name, one in self._training.model.state_dict().items()}
            self._write_best()

    def _roll_back(self, reason: str) -> None:
        """To an evaluation before, or the beginning, with half the rate; Diverged where that did not help."""
        before = self.progress
        if len(before.rollbacks) >= MAX_ROLLBACKS:
            raise Diverged(
                f"{reason}, after {MAX_ROLLBACKS} returns with half the learning rate each; "
                "give a lower --learning-rate and another --out"
            )
        del self._training  # before its successor takes as much memory
        self._training = self.plan.new_training(self._tokens, self._teacher)
        tried = before.rollbacks[-1].to_step if before.rollbacks else 0
        found = self.checkpoints.go_back(self._training, tried=tried, first=self.plan.evaluate_every)
        self._stand(found)
        taken_back = RollBack(to_step=self.step, reason=reason)
        self.progress = self.progress.model_copy(
            update={"lr_scale": before.lr_scale / 2, "rollbacks": (*before.rollbacks, taken_back)}
        )
        self._training.lr_scale = self.progress.lr_scale
        said = f"going back to step {self.step} with half the learning rate"
        warnings.warn(f"{reason}; {said} ({len(self.progress.rollbacks)} of {MAX_ROLLBACKS})", stacklevel=2)

    def _begin_or_resume(self) -> None:
        run_file = self.folder / RUN_FILE
        if run_file.exists():
            self._check_same_run(run_file)
        else:
            self._check_nothing_is_overwritten()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / TOKENIZER_FILE, self._vocabulary.save)
            write_json(self.folder / ARCH_FILE, self._arch_json)
            write_json(run_file, self.plan.identity() | ({"command": self._command} if self._command else {}))
        self._stand(self.checkpoints.go_on(self._training))

    @property
    def _arch_json(self) -> dict[str, Any]:
        return {"architecture": self.plan.architecture.model_dump(mode="json")}

    def _check_nothing_is_overwritten(self) -> None:
        """A run in the folder of a search, or of an arch JSON, would write over what that holds."""
        arch = self.folder / ARCH_FILE
        is_own = not arch.exists() or arch.read_text(encoding="utf-8") == json_text(self._arch_json)
        if not is_own or (self.folder / STUDY_FILE).exists():
            raise UsageError(f"{self.folder} holds an arch.json or a study that is not a run's; use another --out")

    def _check_same_run(self, run_file: Path) -> None:
        try:
            stored = json.loads(run_file.read_text(encoding="utf-8"))
            if not isinstance(stored, dict):
                raise ValueError(f"no object of keys but {type(stored).__name__}")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{run_file} is damaged ({error}); use another --out to start afresh") from None
        different = difference_words(stored, self.plan.identity())
        if different is None and self._stored_tokenizer() != self._vocabulary.to_json():
            different = "another tokenizer"
        if different is not None:
            raise UsageError(
                f"{self.folder} holds a run with other settings ({different}); "
                "repeat those to go on, or use another --out"
            )

    def _stored_tokenizer(self) -> str:
        path = self.folder / TOKENIZER_FILE
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); use another --out to start afresh") from None

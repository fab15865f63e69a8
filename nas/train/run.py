"""A full training of one architecture: the training loop of a trial, in a folder that survives a kill."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.prepared import PreparedData
from nas.errors import Diverged
from nas.evaluate.metrics import SAMPLED, complete
from nas.inference.bits_per_byte import measure_with_novel
from nas.records.training import RollBack, TimeSpent, TrainingLine, WatchedSample
from nas.tokenizer.vocabulary import Vocabulary
from nas.train.checkpoints import Checkpoints, RunState, Seconds
from nas.train.plan import TrainingPlan
from nas.train.progress import Progress
from nas.train.run_folder import RunFolder
from nas.train.teacher import Teacher
from nas.training.trainer import memory_errors

MAX_ROLLBACKS = 3
SAMPLE_PROMPTS = ("def add(a, b):", "class Stack:")
"""Prompts completed at each evaluation, with the same random numbers each time."""
_SAMPLE_BYTES = 100
_CHUNK_SECONDS = 0.5


class FullTraining:
    """A run in its folder: new, or resumed from its last checkpoint, with the same result either way."""

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
        """Begin or resume the run in `folder` on the stream `tokens`, (num_tokens,).

        `keep` checkpoints of evaluations stay; between them one is written after every `save_seconds`. A new run
        stores `command`, with which a user resumes it. Raise UsageError if `folder` holds a run of other settings.
        """
        self.plan = plan
        self.files = RunFolder(folder)
        self.checkpoints = Checkpoints(folder / "checkpoints", keep)
        self.state = RunState(Progress(), Seconds(), {})
        self._save_seconds = save_seconds
        self._vocabulary = vocabulary
        self._tokens, self._teacher = tokens, teacher
        self._validation = vocabulary.encode_documents(data.evaluation_documents("validation", plan.validation_bytes))
        self._novel = data.novel_bytes("validation", plan.validation_bytes)
        self._trainer = plan.new_trainer(tokens, teacher)
        self.files.open(plan, vocabulary, command)
        self._continue_from(self.checkpoints.restore_newest(self._trainer))

    @property
    def folder(self) -> Path:
        return self.files.path

    @property
    def progress(self) -> Progress:
        return self.state.progress

    @property
    def seconds(self) -> Seconds:
        return self.state.seconds

    @property
    def step(self) -> int:
        return self.progress.step

    @property
    def is_finished(self) -> bool:
        return self.step >= self.plan.recipe.num_steps

    def run(
        self, on_steps: Callable[[int, float], None], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[TrainingLine]:
        """Train to the end, or until `should_stop` returns true; yield each line of the log.

        `on_steps` is called with (step, mean loss) about twice a second. A checkpoint is written at every line, after
        the best weights and the line itself, and when the run stops. A training that diverges is rolled back to the
        last line, with half the learning rate, MAX_ROLLBACKS times; then Diverged is raised.
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
                reason = str(error)  # not the error itself, which refers to the model
            else:
                yield line
                continue
            self._roll_back(reason)

    def _train_to(self, target: int, on_steps: Callable[[int, float], None], should_stop: Callable[[], bool]) -> None:
        steps, saved = 1, time.monotonic()
        while self.step < target and not should_stop():
            started = time.perf_counter()
            losses = self._trainer.step_losses(min(steps, target - self.step), should_stop)
            taken = time.perf_counter() - started
            self.state = replace(self.state, seconds=replace(self.seconds, training=self.seconds.training + taken))
            self.state = replace(self.state, progress=self.progress.after(losses))
            on_steps(self.step, sum(losses) / len(losses))
            steps = max(1, int(len(losses) * min(2.0, _CHUNK_SECONDS / taken)))
            # Not at an evaluation, which saves one itself: a run resumed from here would skip the evaluation.
            if self.step < target and time.monotonic() - saved > self._save_seconds:
                self._save_between()
                saved = time.monotonic()

    def _evaluate(self) -> TrainingLine:
        """Evaluate, log and save a checkpoint."""
        started = time.perf_counter()
        with memory_errors(), self._trainer.evaluation_weights():
            line = self._measure()
            self._keep_if_best(line)
        evaluating = self.seconds.evaluating + time.perf_counter() - started
        self.state = replace(
            self.state,
            seconds=replace(self.seconds, evaluating=evaluating),
            progress=self.progress.model_copy(update={"loss_sum": 0.0}),
        )
        trained = self.step * self.plan.recipe.batch_tokens
        spent = TimeSpent(
            train_seconds=self.seconds.training,
            watch_seconds=self.seconds.evaluating,
            tokens_per_second=trained / self.seconds.training,
        )
        line = line.model_copy(update={"measured": spent})
        self.files.append_log(line)
        self.checkpoints.save(self._trainer, self.state)
        return line

    def _measure(self) -> TrainingLine:
        """Return a line of the log without times; raise Diverged when the weights are not finite."""
        plan, model = self.plan, self._trainer.model
        likelihood = measure_with_novel(model, self._vocabulary, self._validation, self._novel)
        sample_bytes = min(_SAMPLE_BYTES, plan.architecture.max_seq_length // 2)
        texts, _ = complete(model, self._vocabulary, SAMPLE_PROMPTS, SAMPLED, sample_bytes)
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
                for prompt, text in zip(SAMPLE_PROMPTS, texts, strict=True)
            ),
        )

    def _keep_if_best(self, line: TrainingLine) -> None:
        best = self.progress.best_val_bpb
        if best is None or line.val_bpb < best:
            metrics = {
                "best_step": self.step,
                "best_val_bpb": line.val_bpb,
                "best_val_novel_bpb": line.val_novel_bpb,
            }
            weights = {name: value.detach().cpu().clone() for name, value in self._trainer.model.state_dict().items()}
            self.state = replace(self.state, progress=self.progress.model_copy(update=metrics), best=weights)
            self.files.write_best(self.plan.architecture, weights)

    def _roll_back(self, reason: str) -> None:
        """Return to an earlier evaluation, or the beginning, with half the rate; raise Diverged after MAX_ROLLBACKS."""
        before = self.progress
        if len(before.rollbacks) >= MAX_ROLLBACKS:
            raise Diverged(
                f"{reason}, after {MAX_ROLLBACKS} rollbacks with half the learning rate each; "
                "give a lower --learning-rate and another --out"
            )
        del self._trainer  # before its successor allocates as much memory
        self._trainer = self.plan.new_trainer(self._tokens, self._teacher)
        failed_step = before.rollbacks[-1].to_step if before.rollbacks else 0
        first_step = self.plan.evaluate_every
        self._continue_from(self.checkpoints.roll_back(self._trainer, failed_step=failed_step, first_step=first_step))
        rollbacks = (*before.rollbacks, RollBack(to_step=self.step, reason=reason))
        changes = {"lr_scale": before.lr_scale / 2, "rollbacks": rollbacks}
        self.state = replace(self.state, progress=self.progress.model_copy(update=changes))
        self._trainer.lr_scale = self.progress.lr_scale
        warnings.warn(
            f"{reason}; rolling back to step {self.step} with half the learning rate "
            f"({len(rollbacks)} of {MAX_ROLLBACKS})",
            stacklevel=2,
        )

    def _continue_from(self, state: RunState | None) -> None:
        """Take over the state of a checkpoint, or of the beginning; make best weights and log agree with it."""
        self.state = state or RunState(Progress(), Seconds(), {})
        if self.state.best and not self.files.holds_best(self.state.best):
            self.files.write_best(self.plan.architecture, self.state.best)
        self.files.cut_log(self.step)

    def _save_between(self) -> None:
        self.checkpoints.save(self._trainer, self.state, between=True)

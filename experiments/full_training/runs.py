"""Full trainings of a study in docs/: each in its own run folder, judged at its end, one JSON line each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from experiments.full_training.contenders import Contender
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import StudyError
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.quality.evaluation import evaluate_model
from nas.evaluate.quality.prompts import choose_prompts
from nas.evaluate.quality.protocols import PROTOCOLS
from nas.inference.language_model import LanguageModel
from nas.records.json_lines import read_json_lines
from nas.records.study import Metrics
from nas.search.executors.workers import WorkerPool
from nas.system.files import write_text
from nas.system.lock import locked
from nas.train.plan import TrainingPlan, plan_evaluations
from nas.train.run import FullTraining
from nas.train.source import Source
from nas.train.teacher import Teacher, open_teacher
from nas.train.verdict import evaluate_on_holdout, holdout_settings, write_summary
from nas.training.numerics import Numerics


@dataclass(frozen=True)
class Job:
    """One full training."""

    contender: Contender
    train_flops: float
    seed: int
    teacher: Path | None = None
    """The run folder of the model it learns from, whose FLOPs of answering are paid for too."""

    @property
    def name(self) -> str:
        taught = f"-taught-by-{self.teacher.name}" if self.teacher else ""
        return f"{self.contender.name}-{self.train_flops:g}-seed{self.seed}{taught}".replace("+", "")


class FullRun(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    contender: str
    architecture: ArchitectureConfig
    vocabulary: str
    corpus_hash: str
    threads: int
    dtype: str
    seed: int
    train_flops: float
    teacher_flops: float
    num_steps: int
    batch_tokens: int
    learning_rate: float
    train_bytes: float
    val_bpb: float
    rollbacks: int
    holdout: Metrics
    compressors: dict[str, float]
    """Bits per byte of others on the holdout's bytes."""
    protocols: dict[str, tuple[float, float, float]]
    """Protocol -> collapse rate on the one-line prompts, with its 95% interval."""
    train_seconds: float
    watch_seconds: float


def read_runs(path: Path) -> dict[str, FullRun]:
    """By name; a torn last line is left out. StudyError when another is damaged."""
    lines = read_json_lines(path, FullRun, "training", StudyError) if path.exists() else []
    return {one.name: one for one in lines}


def run_jobs(
    jobs: Sequence[Job], data: PreparedData, numerics: Numerics, folder: Path, path: Path, num_workers: int
) -> None:
    """Do those of `jobs` that are not in the file `path`, in order; StudyError when one failed, or is another there."""
    done = read_runs(path)
    for one in jobs:
        if one.name in done and done[one.name].architecture != one.contender.architecture:
            shown = f"{done[one.name].architecture.describe()}, not of {one.contender.architecture.describe()}"
            raise StudyError(f"{path} holds a training '{one.name}' of {shown}; use another --data and --runs")
    missing = [one for one in jobs if one.name not in done]
    if not missing:
        return
    if path.exists():  # without the line that a kill may have torn
        write_text(path, "".join(one.model_dump_json() + "\n" for one in done.values()))
    with WorkerPool(num_workers, numerics.apply) as pool:
        while missing or pool.num_free < num_workers:
            while missing and pool.num_free:
                job = missing.pop(0)
                pool.submit(job.name, partial(run_job, job, data, numerics, folder / job.name))
            for ended in pool.wait():
                if not isinstance(ended.value, FullRun):
                    raise StudyError(f"the training '{ended.key}' failed: {ended.error}")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(ended.value.model_dump_json() + "\n")
                said = f"{ended.key}: holdout {ended.value.holdout.bpb:.4f} bits per byte"
                print(f"{said}, {ended.value.train_seconds / 60:.0f} min", file=sys.stderr, flush=True)


def run_job(job: Job, data: PreparedData, numerics: Numerics, folder: Path) -> FullRun:
    """Train, or go on, and judge; FolderBusy when another process does."""
    with locked(folder, f"the run in {folder}", "choose another --runs"):
        return _run_locked(job, data, numerics, folder)


def _run_locked(job: Job, data: PreparedData, numerics: Numerics, folder: Path) -> FullRun:
    contender = job.contender
    vocabulary = data.vocabulary(contender.vocabulary)
    source = Source(data, vocabulary, data.tokens(contender.vocabulary, "train"))
    teacher = _open_teacher(job, source, numerics)
    cost = teacher.distillation.flops_per_token if teacher else 0
    recipe = contender.recipe(job.train_flops, job.seed, cost)
    every, size = plan_evaluations(contender.architecture, recipe, numerics, source.bytes_per_token, None)
    plan = TrainingPlan(
        contender.architecture,
        recipe,
        numerics,
        data.corpus_hash,
        every,
        size,
        teacher.distillation if teacher else None,
    )
    training = FullTraining(folder, plan, vocabulary, source.tokens, data, teacher=teacher)
    for _ in training.run(lambda step, loss: None):
        pass
    verdict = evaluate_on_holdout(training, source)
    write_summary(training, source, verdict, "python -m experiments.full_training")
    model, protocols = LanguageModel.load(folder), {}
    for one in evaluate_model(model, folder, choose_prompts(None, None), list(PROTOCOLS)):
        report = one.report
        protocols[str(report.protocol)] = (report.collapse_rate, *report.collapse_rate_interval)
    settings, _ = holdout_settings(contender.architecture)
    assert training.progress.best_val_bpb is not None
    return FullRun(
        name=job.name,
        contender=contender.name,
        architecture=contender.architecture,
        vocabulary=contender.vocabulary,
        corpus_hash=data.corpus_hash,
        threads=numerics.threads,
        dtype=numerics.dtype,
        seed=job.seed,
        train_flops=plan.train_flops,
        teacher_flops=plan.teacher_flops,
        num_steps=recipe.num_steps,
        batch_tokens=recipe.batch_tokens,
        learning_rate=recipe.learning_rate,
        train_bytes=recipe.num_steps * recipe.batch_tokens * source.bytes_per_token,
        val_bpb=training.progress.best_val_bpb,
        rollbacks=len(training.progress.rollbacks),
        holdout=verdict.metrics,
        compressors=compressor_bpb(data.evaluation_bytes("holdout", settings.validation_bytes)),
        protocols=protocols,
        train_seconds=round(training.seconds.training, 1),
        watch_seconds=round(training.seconds.watching, 1),
    )


def _open_teacher(job: Job, source: Source, numerics: Numerics) -> Teacher | None:
    if job.teacher is None:
        return None
    return open_teacher(
        job.teacher,
        source,
        job.contender.recipe(job.train_flops, job.seed).seq_length,
        numerics,
        share=0.5,
        temperature=1.0,
        top_k=64,
    )

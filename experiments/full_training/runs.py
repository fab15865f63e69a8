"""Full trainings, each in its own run folder, evaluated at its end and kept as one line of a results file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from experiments.full_training.model_specs import ModelSpec
from experiments.results_file import ResultsFile, read_results
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import StudyError
from nas.evaluate.code_prompts import PROMPTS_VERSION
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.quality.evaluation import evaluate_model
from nas.evaluate.quality.prompts import choose_prompts
from nas.evaluate.quality.protocols import PROTOCOLS
from nas.inference.bits_per_byte import EVALUATION_VERSION
from nas.inference.language_model import LanguageModel
from nas.records.trial import Metrics
from nas.search.executors.executor import run_tasks
from nas.search.executors.workers import WorkerPool
from nas.system.lock import locked
from nas.train.plan import TrainingPlan, plan_evaluations
from nas.train.run import FullTraining
from nas.train.source import Source
from nas.train.teacher import Teacher, open_teacher
from nas.train.verdict import evaluate_on_holdout, holdout_settings, write_summary
from nas.training.numerics import Numerics
from nas.training.recipe import RECIPE_VERSION


@dataclass(frozen=True)
class Job:
    """One full training to do."""

    model: ModelSpec
    train_flops: float
    seed: int
    teacher: Path | None = None
    """The run folder of the model to learn from; the FLOPs of its answers are part of `train_flops`."""

    @property
    def name(self) -> str:
        taught = f"-taught-by-{self.teacher.name}" if self.teacher else ""
        return f"{self.model.name}-{self.train_flops:g}-seed{self.seed}{taught}".replace("+", "")


class FullRun(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    model: str
    """The name of its ModelSpec."""
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
    """Bits per byte of general compressors on the holdout's bytes."""
    protocols: dict[str, tuple[float, float, float]]
    """Protocol -> collapse rate on the one-line prompts, with its 95% interval."""
    train_seconds: float
    watch_seconds: float


def read_runs(path: Path) -> dict[str, FullRun]:
    """Return the trainings of the file by name; StudyError when a line is damaged."""
    return read_results(path, FullRun, _name)


def open_runs(path: Path, data: PreparedData, command: str, num_workers: int) -> ResultsFile[FullRun]:
    """Open or begin the file; StudyMismatch when it is of another corpus or of other versions.

    The device is no part of the identity: short trainings may be done on a CPU and long ones on a GPU.
    """
    identity = {
        "corpus": data.corpus_hash,
        "versions": {
            "recipe": RECIPE_VERSION,
            "detector": DETECTOR_VERSION,
            "prompts": PROMPTS_VERSION,
            "evaluation": EVALUATION_VERSION,
        },
    }
    return ResultsFile(path, FullRun, _name, identity=identity, command=command, num_workers=num_workers)


def run_jobs(
    jobs: Sequence[Job],
    results: ResultsFile[FullRun],
    data: PreparedData,
    numerics: Numerics,
    folder: Path,
    num_workers: int,
) -> None:
    """Do the missing jobs in order, each in a run folder inside `folder`.

    Raises StudyError when one failed, StudyMismatch when the file has another architecture under its name.
    """
    missing = [job for job in jobs if not results.has(job.name, architecture=_json(job.model.architecture))]
    if not missing:
        return
    tasks = ((job.name, partial(run_job, job, data, numerics, folder / job.name)) for job in missing)
    with WorkerPool(num_workers, numerics.apply) as pool:
        for ended in run_tasks(pool, tasks):
            if not isinstance(ended.value, FullRun):
                raise StudyError(f"the training '{ended.key}' failed: {ended.error}")
            results.add(ended.value)
            scores = f"{ended.key}: holdout {ended.value.holdout.bpb:.4f} bits per byte"
            print(f"{scores}, {ended.value.train_seconds / 60:.0f} min", file=sys.stderr, flush=True)


def run_job(job: Job, data: PreparedData, numerics: Numerics, folder: Path) -> FullRun:
    """Train, or resume, and evaluate; FolderBusy when another process uses the run folder."""
    with locked(folder, f"the run in {folder}", "choose another --runs"):
        return _run_locked(job, data, numerics, folder)


def _run_locked(job: Job, data: PreparedData, numerics: Numerics, folder: Path) -> FullRun:
    model = job.model
    vocabulary = data.vocabulary(model.vocabulary)
    source = Source(data, vocabulary, data.tokens(model.vocabulary, "train"))
    teacher = _open_teacher(job, source, numerics)
    recipe = model.recipe(job.train_flops, job.seed, teacher.distillation.flops_per_token if teacher else 0)
    every, size = plan_evaluations(model.architecture, recipe, numerics, source.bytes_per_token, None)
    plan = TrainingPlan(
        model.architecture,
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
    settings, _ = holdout_settings(model.architecture)
    assert training.progress.best_val_bpb is not None
    return FullRun(
        name=job.name,
        model=model.name,
        architecture=model.architecture,
        vocabulary=model.vocabulary,
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
        protocols=_protocol_collapse(folder),
        train_seconds=round(training.seconds.training, 1),
        watch_seconds=round(training.seconds.evaluating, 1),
    )


def _protocol_collapse(folder: Path) -> dict[str, tuple[float, float, float]]:
    """Return the collapse rate of a trained model under each protocol, with its 95% interval."""
    rates = {}
    for evaluation in evaluate_model(LanguageModel.load(folder), folder, choose_prompts(None, None), list(PROTOCOLS)):
        report = evaluation.report
        rates[str(report.protocol)] = (report.collapse_rate, *report.collapse_rate_interval)
    return rates


def _open_teacher(job: Job, source: Source, numerics: Numerics) -> Teacher | None:
    if job.teacher is None:
        return None
    return open_teacher(
        job.teacher,
        source,
        job.model.recipe(job.train_flops, job.seed).seq_length,
        numerics,
        share=0.5,
        temperature=1.0,
        top_k=64,
    )


def _name(run: FullRun) -> str:
    return run.name


def _json(architecture: ArchitectureConfig) -> dict[str, Any]:
    return architecture.model_dump(mode="json")

"""The verdict on a run: its best weights evaluated on the holdout, once, and its summary in one file."""

from __future__ import annotations

from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError
from nas.evaluate.metrics import Evaluation, evaluate
from nas.records.training import SUMMARY_FILE
from nas.space.sections import EvaluationSection
from nas.system.files import write_json
from nas.train.run import FullTraining
from nas.train.source import Source
from nas.training.trainer import memory_errors
from nas.training.weights import load_weights
from nas.trial.run import write_samples

SAMPLES_FILE = "samples.jsonl"
_MIN_SEQ_LENGTH = 32
_COMPLETION_BYTES, _PROMPT_BYTES = 200, 256


def holdout_settings(architecture: ArchitectureConfig) -> tuple[EvaluationSection, int]:
    """Return the settings of the verdict and the bytes of a prompt; raise UsageError if max_seq_length is too short."""
    length = architecture.max_seq_length
    if length < _MIN_SEQ_LENGTH:
        raise UsageError(
            f"max_seq_length {length} has no room for a prompt and its completion; the minimum is {_MIN_SEQ_LENGTH}"
        )
    completion_bytes = min(_COMPLETION_BYTES, length // 2)
    return EvaluationSection(completion_bytes=completion_bytes), min(_PROMPT_BYTES, length - completion_bytes)


def evaluate_on_holdout(training: FullTraining, source: Source) -> Evaluation:
    """Evaluate the best weights on the holdout."""
    settings, prompt_bytes = holdout_settings(training.plan.architecture)
    with memory_errors():
        model = load_weights(training.files.best_weights).to(training.plan.numerics.device)
        return evaluate(model, source.vocabulary, source.data, "holdout", settings, prompt_bytes)


def write_summary(training: FullTraining, source: Source, verdict: Evaluation, command: str) -> dict[str, Any]:
    """Write SUMMARY_FILE and SAMPLES_FILE into the run's folder; return the content of the former."""
    plan, progress = training.plan, training.progress
    metrics = verdict.metrics
    summary = {
        "architecture": plan.architecture.model_dump(mode="json"),
        "corpus": source.data.manifest.get("source"),
        "command": command,
        "steps": progress.step,
        "train_flops": plan.train_flops,
        "teacher_flops": plan.teacher_flops,
        "train_tokens": plan.recipe.num_steps * plan.recipe.batch_tokens,
        "best_step": progress.best_step,
        "val_bpb": progress.best_val_bpb,
        "val_novel_bpb": progress.best_val_novel_bpb,
        "rollbacks": [rollback.model_dump() for rollback in progress.rollbacks],
        "holdout": metrics.model_dump(mode="json") | {"collapse_rate": metrics.collapse_rate},
        "measured": {"train_seconds": training.seconds.training, "watch_seconds": training.seconds.evaluating},
    }
    write_samples(verdict.completions, training.folder / SAMPLES_FILE)
    write_json(training.folder / SUMMARY_FILE, summary)
    return summary

"""Small runs of nas.train with hand-set numbers, as files in a folder; no model is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.records.training import TrainingRun, read_training_run
from tests.helpers.report_studies import architecture, metrics

BATCH_TOKENS = 8 * 64
STEP_FLOPS = 1e6
COMMAND = "python -m nas.train --arch-json a.json --max-steps 400"

# step, training loss, bits per byte, on novel lines, learning rate
FOUR = (
    (100, 6.0, 3.50, 3.75, 0.01),
    (200, 5.0, 3.00, 3.25, 0.01),
    (300, 4.5, 2.50, 2.875, 0.008),
    (400, 4.25, 2.625, 3.00, 0.001),
)


def line(
    step: int, loss: float, bpb: float, novel: float | None, rate: float, *rollbacks: tuple[int, str], **changes: Any
) -> dict[str, Any]:
    values = {
        "step": step,
        "train_flops": step * STEP_FLOPS,
        "train_loss": loss,
        "val_bpb": bpb,
        "val_novel_bpb": novel,
        "val_perplexity": 80.0,
        "learning_rate": rate,
        "rollbacks": [{"to_step": to_step, "reason": reason} for to_step, reason in rollbacks],
        "samples": [
            {"prompt": "def add(a, b):", "completion": f"\n    return a  # of step {step}"},
            {"prompt": "class Stack:", "completion": "\n    pass"},
        ],
        "measured": {"train_seconds": 0.9 * step, "watch_seconds": 0.1 * step, "tokens_per_second": 2000.0},
    }
    return values | changes


def four() -> list[dict[str, Any]]:
    return [line(*row) for row in FOUR]


def run_record(built: ArchitectureConfig | None = None, **changes: Any) -> dict[str, Any]:
    values = {
        "version": 2,
        "architecture": (built or architecture()).model_dump(mode="json"),
        "recipe": {"learning_rate": 0.01, "num_steps": 400, "batch_size": 8, "seq_length": 64, "decay": "sqrt"},
        "numerics": {"device": "cpu", "dtype": "float32", "threads": 1, "torch": "2.13"},
        "corpus_hash": "ab" * 32,
        "evaluate_every": 100,
        "validation_bytes": 32_768,
        "command": COMMAND,
    }
    return values | changes


def summary() -> dict[str, Any]:
    holdout = metrics(2.25, 0.125, 0.5)
    return {
        "architecture": architecture().model_dump(mode="json"),
        "corpus": "stdlib",
        "command": COMMAND,
        "steps": 400,
        "train_flops": 400 * STEP_FLOPS,
        "train_tokens": 400 * BATCH_TOKENS,
        "best_step": 300,
        "val_bpb": 2.5,
        "val_novel_bpb": 2.875,
        "rollbacks": [],
        "holdout": holdout.model_dump(mode="json") | {"collapse_rate": holdout.collapse_rate},
        "measured": {"train_seconds": 360.0, "watch_seconds": 40.0},
    }


def write_run(
    folder: Path, lines: list[dict[str, Any]] | None = None, *, finished: bool = False, tail: str = "", **changes: Any
) -> Path:
    """Write the files of a run: `lines` None writes no log, `tail` is appended to the log as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run_record(**changes)), encoding="utf-8")
    if lines is not None:
        text = "".join(json.dumps(values) + "\n" for values in lines) + tail
        (folder / "log.jsonl").write_text(text, encoding="utf-8")
    if finished:
        (folder / "summary.json").write_text(json.dumps(summary()), encoding="utf-8")
    return folder


def made_run(folder: Path, *arguments: Any, **changes: Any) -> TrainingRun:
    return read_training_run(write_run(folder, *arguments, **changes))

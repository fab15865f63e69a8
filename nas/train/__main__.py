"""Command `python -m nas.train`: train an exported architecture fully, with the loop and rules of a trial."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.train.flags import parser

if TYPE_CHECKING:
    from nas.evaluate.metrics import EvaluatedCompletion
    from nas.train.estimate import Estimate
    from nas.train.plan import TrainingPlan
    from nas.train.run import FullTraining
    from nas.train.run_setup import RunSetup

__all__ = ["main", "parser"]

_SAMPLES_SHOWN = 3


def main(argv: list[str] | None = None) -> int:
    """Train or resume a run, evaluate its best weights on the holdout and print the result."""
    arguments = parser().parse_args(argv)
    quiet = arguments.quiet or arguments.json

    from nas.records.training import SUMMARY_FILE
    from nas.system.lock import locked
    from nas.train.estimate import estimate
    from nas.train.run import FullTraining
    from nas.train.run_setup import set_up_run
    from nas.train.verdict import evaluate_on_holdout, write_summary

    setup = set_up_run(arguments)
    folder, plan, source, teacher = setup.folder, setup.plan, setup.source, setup.teacher
    command = cli.command_line("nas.train", argv)
    is_silent = (quiet or (folder / SUMMARY_FILE).exists()) and not arguments.estimate
    estimated = None if is_silent else estimate(plan, source.tokens, teacher)
    if estimated is not None and arguments.json:
        print(json.dumps(estimate_json(setup, estimated), indent=2))
    elif estimated is not None:
        print_estimate(setup, estimated, keep=arguments.keep)
    if arguments.estimate:
        return 0
    with locked(folder, f"the run in {folder}", "choose another --out"):
        training = FullTraining(
            folder,
            plan,
            source.vocabulary,
            source.tokens,
            source.data,
            teacher=teacher,
            keep=arguments.keep,
            command=command,
        )
        train(training, estimated, quiet=quiet)
        verdict = evaluate_on_holdout(training, source)
        summary = write_summary(training, source, verdict, command)
    if arguments.json:
        print(json.dumps({"folder": str(folder), **summary}, indent=2))
    else:
        print_end(folder, summary, verdict.completions[:_SAMPLES_SHOWN])
    return 0


def estimate_json(setup: RunSetup, estimated: Estimate) -> dict[str, Any]:
    """Return the figures of `print_estimate`."""
    plan, recipe = setup.plan, setup.plan.recipe
    return {
        "folder": str(setup.folder),
        "architecture": plan.architecture.model_dump(mode="json"),
        "num_params": plan.architecture.num_params,
        "steps": recipe.num_steps,
        "train_tokens": recipe.num_steps * recipe.batch_tokens,
        "train_flops": plan.train_flops,
        "teacher_flops": plan.teacher_flops,
        "measured": {
            "seconds": estimated.seconds(recipe.num_steps),
            "step_seconds": estimated.step_seconds,
            "peak_flops": estimated.peak_flops,
            "memory_bytes": estimated.memory_bytes,
        },
        "checkpoint_bytes": estimated.checkpoint_bytes,
    }


def print_estimate(setup: RunSetup, estimated: Estimate, *, keep: int) -> None:
    """Print what the run is and its estimated cost; see `nas.train.estimate` for the figures."""
    from nas.report.parts.words import duration, gigabytes

    plan = setup.plan
    architecture, recipe = plan.architecture, plan.recipe
    tokens = recipe.num_steps * recipe.batch_tokens
    rate = recipe.batch_tokens / estimated.step_seconds
    lines = {
        "architecture": architecture.describe(),
        "parameters": f"{architecture.num_params:,}, {architecture.non_embedding_params:,} of them not in embeddings",
        "training": f"{recipe.num_steps:,} steps of {recipe.batch_tokens:,} tokens: {tokens / 1e6:,.3g}M tokens, "
        f"{tokens / len(setup.source.tokens):.2g} times the corpus, {plan.train_flops:.3g} FLOPs",
        "teacher": teacher_words(plan),
        "evaluations": f"every {plan.evaluate_every:,} steps, on {plan.validation_bytes:,} bytes",
        "time": f"about {duration(estimated.seconds(recipe.num_steps))}: {estimated.step_seconds:.2g} s per step, "
        f"{rate:,.0f} tokens/s, {estimated.peak_share(plan):.0%} of the measured peak "
        f"of {estimated.peak_flops / 1e9:,.0f} GFLOP/s",
        "memory": f"{gigabytes(estimated.memory_bytes)} on {plan.numerics.device}, measured in a few steps",
        "disk": f"at most {gigabytes((keep + 2) * estimated.checkpoint_bytes)}: {keep} checkpoints (--keep), one "
        f"between evaluations, one being written, {gigabytes(estimated.checkpoint_bytes)} each",
        "folder": str(setup.folder),
    }
    for name, text in lines.items():
        if text:
            print(f"{name:<13} {text}", flush=True)


def teacher_words(plan: TrainingPlan) -> str:
    """Return the teacher's shares of loss and FLOPs; empty without a teacher."""
    if plan.distillation is None:
        return ""
    flops_share = plan.distillation.flops_per_token * plan.recipe.batch_tokens / plan.step_flops
    return f"{plan.distillation.share:g} of the loss, {flops_share:.0%} of the FLOPs"


def train(training: FullTraining, estimated: Estimate | None, *, quiet: bool) -> None:
    """Train to the end with a progress bar; when interrupted, save everything and raise KeyboardInterrupt."""
    from nas.report.run.progress_bar import TrainingBar
    from nas.system.signals import StopRequests

    plan = training.plan
    if training.step and not training.is_finished and not quiet:
        print(f"resuming from step {training.step:,}")
    bar = TrainingBar(
        num_steps=plan.recipe.num_steps,
        step=training.step,
        step_tokens=plan.recipe.batch_tokens,
        step_flops=plan.step_flops,
        peak_flops=estimated.peak_flops if estimated else None,
        quiet=quiet,
    )
    with StopRequests() as stop:
        with bar:
            for line in training.run(bar.update, stop):
                bar.show(line)
        if stop():
            where = "the last step, before the holdout verdict" if training.is_finished else f"step {training.step}"
            print(f"stopped at {where}; everything is saved, and the same command resumes it", file=sys.stderr)
            stop.raise_interrupt()


def print_end(folder: Path, summary: Mapping[str, Any], completions: Sequence[EvaluatedCompletion]) -> None:
    """Print some samples, the metrics, the paths of the results and the next command."""
    from nas.inference.language_model import BEST_WEIGHTS
    from nas.report.parts.words import duration, fixed
    from nas.train.verdict import SAMPLES_FILE

    for sample in completions:
        rule = f", collapsed: {sample.rule}" if sample.rule else ""
        print(f"\n--- {sample.mode}{rule}; the completion starts after >>>")
        print(cli.printable(f"{sample.prompt}>>>{sample.completion}"))
    holdout, measured = summary["holdout"], summary["measured"]
    trained, evaluated = measured["train_seconds"], measured["watch_seconds"]
    lines = {
        "trained": f"{summary['steps']:,} steps, {summary['train_flops']:.3g} FLOPs, {duration(trained)}, "
        f"evaluations {evaluated / (trained + evaluated):.1%} of the time",
        "best": f"step {summary['best_step']}, val_bpb {summary['val_bpb']:.4f}  "
        f"novel {fixed(summary['val_novel_bpb'], 4)}",
        "holdout": f"bpb {holdout['bpb']:.4f}  novel {fixed(holdout['novel_bpb'], 4)}  "
        f"collapse sampled {holdout['sampled_collapse_rate']:.3f}, greedy {holdout['greedy_collapse_rate']:.3f}",
        "samples": str(folder / SAMPLES_FILE),
        "weights": str(folder / BEST_WEIGHTS),
        "curves": f"python -m nas.report {shlex.quote(str(folder))}",
        "next": f"python -m nas.play {shlex.quote(str(folder))}",
    }
    print()
    for name, text in lines.items():
        print(f"{name:<11} {text}")


if __name__ == "__main__":
    cli.run(main, "nas.train")

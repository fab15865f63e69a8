"""`python -m nas.train`: train an exported architecture fully, with the loop and the rules of a trial."""

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
    from nas.evaluate.metrics import Completion
    from nas.train.assemble import Assembled
    from nas.train.estimate import Estimate
    from nas.train.plan import TrainingPlan
    from nas.train.run import FullTraining

__all__ = ["main", "parser"]

_SAMPLES_SHOWN = 3


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    quiet = arguments.quiet or arguments.json

    from nas.records.training import SUMMARY_FILE
    from nas.system.lock import locked
    from nas.train.assemble import assemble
    from nas.train.estimate import estimate
    from nas.train.run import FullTraining
    from nas.train.verdict import evaluate_on_holdout, write_summary

    made = assemble(arguments)
    folder, plan, source, teacher = made.folder, made.plan, made.source, made.teacher
    command = cli.command_line("nas.train", argv)
    is_silent = (quiet or (folder / SUMMARY_FILE).exists()) and not arguments.estimate
    estimated = None if is_silent else estimate(plan, source.tokens, teacher)
    if estimated is not None and arguments.json:
        print(json.dumps(estimate_json(made, estimated), indent=2))
    elif estimated is not None:
        print_estimate(made, estimated, keep=arguments.keep)
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
        print(json.dumps({"folder": str(made.folder), **summary}, indent=2))
    else:
        print_end(folder, summary, verdict.completions[:_SAMPLES_SHOWN])
    return 0


def estimate_json(made: Assembled, estimated: Estimate) -> dict[str, Any]:
    """The figures of `print_estimate`."""
    plan, recipe = made.plan, made.plan.recipe
    return {
        "folder": str(made.folder),
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


def print_estimate(made: Assembled, estimated: Estimate, *, keep: int) -> None:
    """What the run is and will take; `nas.train.estimate` says what stands behind the figures."""
    from nas.report.parts.words import duration, gigabytes

    plan = made.plan
    architecture, recipe = plan.architecture, plan.recipe
    tokens = recipe.num_steps * recipe.batch_tokens
    rate = recipe.batch_tokens / estimated.step_seconds
    lines = {
        "architecture": architecture.describe(),
        "parameters": f"{architecture.num_params:,}, {architecture.non_embedding_params:,} of them no embeddings",
        "training": f"{recipe.num_steps:,} steps of {recipe.batch_tokens:,} tokens: {tokens / 1e6:,.3g}M tokens, "
        f"{tokens / len(made.source.tokens):.2g} times the corpus, {plan.train_flops:.3g} FLOPs",
        "teacher": teacher_words(plan),
        "evaluations": f"every {plan.evaluate_every:,} steps, on {plan.validation_bytes:,} bytes",
        "time": f"about {duration(estimated.seconds(recipe.num_steps))}: {estimated.step_seconds:.2g} s a step, "
        f"{rate:,.0f} tokens/s, {estimated.peak_share(plan):.0%} of the measured peak "
        f"of {estimated.peak_flops / 1e9:,.0f} GFLOP/s",
        "memory": f"{gigabytes(estimated.memory_bytes)} on {plan.numerics.device}, in a few steps",
        "disk": f"at most {gigabytes((keep + 2) * estimated.checkpoint_bytes)}: {keep} checkpoints (--keep), one "
        f"between, one being written, {gigabytes(estimated.checkpoint_bytes)} each",
        "folder": str(made.folder),
    }
    for name, text in lines.items():
        if text:
            print(f"{name:<13} {text}", flush=True)


def teacher_words(plan: TrainingPlan) -> str:
    if plan.distillation is None:
        return ""
    spent = plan.distillation.flops_per_token * plan.recipe.batch_tokens / plan.step_flops
    return f"{plan.distillation.share:g} of the loss, {spent:.0%} of the FLOPs"


def train(training: FullTraining, estimated: Estimate | None, *, quiet: bool) -> None:
    """Run to the end behind a progress bar; KeyboardInterrupt, with all saved, when told to stop."""
    from nas.report.run.progress_bar import TrainingBar
    from nas.system.signals import StopRequests

    plan = training.plan
    if training.step and not training.is_finished and not quiet:
        print(f"going on from step {training.step:,}")
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
            for line in training.run(bar.hear, stop):
                bar.show(line)
        if stop():
            where = "its end, not judged yet" if training.is_finished else f"step {training.step}"
            print(f"stopped at {where}; all is saved, and the same command goes on from there", file=sys.stderr)
            stop.raise_interrupt()


def print_end(folder: Path, summary: Mapping[str, Any], completions: Sequence[Completion]) -> None:
    """Some samples, the verdict, where everything is, and what to do next."""
    from nas.inference.language_model import BEST_WEIGHTS
    from nas.report.parts.words import duration, fixed
    from nas.train.verdict import SAMPLES_FILE

    for one in completions:
        print(f"\n--- {one.mode}{f', collapsed: {one.rule}' if one.rule else ''}; the completion starts after >>>")
        print(cli.printable(f"{one.prompt}>>>{one.completion}"))
    holdout, measured = summary["holdout"], summary["measured"]
    trained, watched = measured["train_seconds"], measured["watch_seconds"]
    lines = {
        "trained": f"{summary['steps']:,} steps, {summary['train_flops']:.3g} FLOPs, {duration(trained)}, "
        f"evaluations {watched / (trained + watched):.1%} of the time",
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

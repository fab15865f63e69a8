"""`python -m nas.train`: train an exported architecture fully, with the loop and the rules of a trial."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.architecture import ArchitectureConfig
    from nas.data.corpus_recipe import CorpusRecipe
    from nas.full_training.estimate import Estimate
    from nas.full_training.plan import TrainingPlan
    from nas.full_training.run import FullTraining
    from nas.full_training.source import Source
    from nas.trial.judge import Completion
    from nas.trial.recipe import Recipe

_SAMPLES_SHOWN = 3


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.train", "Train an architecture fully. The same command goes on with a run that was stopped."
    )
    built.add_argument(
        "--arch-json", required=True, metavar="FILE", help="an arch JSON of a search, the seed's, or a shipped name"
    )
    length = built.add_mutually_exclusive_group()
    length.add_argument("--max-steps", type=cli.whole, metavar="N", help="training steps")
    length.add_argument("--flops", type=cli.positive, metavar="N", help="training FLOPs, such as 1e14")
    _add_text(built.add_argument_group("text"))
    _add_recipe(built.add_argument_group("recipe", "what the arch JSON's recipe or --recipe says, and over it:"))
    _add_run(built.add_argument_group("run"))
    return built


def _add_text(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--corpus", metavar="PATH", help="as in nas.search (default: the one the search used, or stdlib)"
    )
    group.add_argument(
        "--train-path", metavar="FILE", help="a text file to train on, in place of --corpus; goes with --val-path"
    )
    group.add_argument("--val-path", metavar="FILE", help="a text file; half is validation, half the holdout")
    group.add_argument(
        "--use-tokens", action="store_true", help="of the seed's command lines; changes nothing, tokens are always used"
    )
    group.add_argument(
        "--tokenizer",
        metavar="SIZE|chars|bytes|gpt2|FILE",
        help="its size is taken in place of vocab_size (default: the arch JSON's, or a BPE of vocab_size tokens)",
    )


def _add_recipe(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--recipe",
        choices=("search", "seed"),
        default="search",
        help="search: the rule of a trial and the arch JSON's batch; seed: 50,000 steps of 32 x 256 tokens, warm-up "
        "2,000, 3e-4 to 1e-5 by a cosine (default: search)",
    )
    group.add_argument("--learning-rate", type=cli.positive, metavar="LR", help="of the peak")
    group.add_argument("--final-learning-rate", type=cli.not_negative, metavar="LR", help="what the decay ends at")
    group.add_argument("--warmup-steps", type=cli.count, metavar="N")
    group.add_argument("--decay", choices=("sqrt", "linear", "cosine"), help="the shape in which the rate falls")
    group.add_argument("--decay-share", type=cli.not_negative, metavar="X", help="of all steps, at the end: 0 to 1")
    group.add_argument("--batch-tokens", type=cli.whole, metavar="N", help="tokens a step")
    group.add_argument("--seq-length", type=cli.whole, metavar="N", help="tokens a sequence")
    group.add_argument("--accumulate", type=cli.whole, metavar="N", help="read a step in N parts, to save memory")
    group.add_argument("--weight-decay", type=cli.not_negative, metavar="X", help="of matrices")
    group.add_argument("--grad-clip", type=cli.positive, metavar="X", help="largest norm of the gradient")
    group.add_argument("--dropout", type=cli.not_negative, metavar="X", help="of attention and of residuals")
    group.add_argument("--label-smoothing", type=cli.not_negative, metavar="X", help="share spread over all tokens")
    group.add_argument("--ema-decay", type=cli.not_negative, metavar="X", help="of averaged weights, such as 0.999")
    group.add_argument(
        "--seed", type=cli.seed, default=0, metavar="N", help="of weights, data order and dropout (default: 0)"
    )


def _add_run(group: argparse._ArgumentGroup) -> None:
    where = group.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-ARCHITECTURE)")
    where.add_argument("--experiment-name", type=cli.plain_name, metavar="NAME", help="the same as --out runs/NAME")
    group.add_argument(
        "--evaluate-every", type=cli.whole, metavar="N", help="steps (default: a 20th, or as time allows)"
    )
    group.add_argument("--keep", type=cli.whole, default=2, metavar="N", help="checkpoints that stay (default: 2)")
    group.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    group.add_argument(
        "--compile",
        action="store_true",
        help="let torch.compile make the kernels: worth its seconds to minutes in a long run; needs a C++ compiler",
    )
    group.add_argument("--estimate", action="store_true", help="say what it would take, and stop there")
    group.add_argument("--quiet", action="store_true", help="print only the end")
    group.add_argument("--json", action="store_true", help="print the end as one JSON object")


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    quiet = arguments.quiet or arguments.json
    path, architecture, exported = read_architecture(arguments)

    from nas.full_training.estimate import estimate
    from nas.full_training.run import FullTraining
    from nas.full_training.source import open_source
    from nas.full_training.verdict import holdout_settings, judge_run, write_summary
    from nas.lock import locked
    from nas.trial.judge import judging_prompts

    settings, prompt_bytes = holdout_settings(architecture)
    make_recipe(architecture, exported, arguments)  # what is wrong with it is said before a corpus is built
    source = open_source(architecture.vocab_size, exported, path, chosen_corpus(arguments), arguments.tokenizer)
    architecture = fitted(architecture, source)
    # Here too, so that a holdout without prompts is known before the training and not after it.
    judging_prompts(source.data, "holdout", settings, prompt_bytes)
    name = arguments.experiment_name or f"{path.stem}-{architecture.id}"
    folder = Path(arguments.out or Path("runs") / name)
    plan = make_plan(architecture, make_recipe(architecture, exported, arguments), source, folder, arguments)
    plan.numerics.apply()
    command = cli.command_line("nas.train", argv)
    estimated = None if quiet and not arguments.estimate else estimate(plan, source.tokens)
    if estimated is not None:
        print_estimate(plan, estimated, source, folder, arguments)
    if arguments.estimate:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, f"the run in {folder}", "choose another --out"):
        training = FullTraining(
            folder, plan, source.vocabulary, source.tokens, source.data, keep=arguments.keep, command=command
        )
        train(training, estimated, quiet=quiet)
        verdict = judge_run(training, source)
        summary = write_summary(training, source, verdict, command)
    if arguments.json:
        print(json.dumps({"folder": str(folder), **summary}, indent=2))
    else:
        print_end(folder, summary, verdict.completions[:_SAMPLES_SHOWN])
    return 0


def read_architecture(arguments: argparse.Namespace) -> tuple[Path, ArchitectureConfig, dict[str, Any]]:
    """The arch JSON's path, its architecture under --dropout, and all that stands in it."""
    from nas.architecture import ArchitectureConfig, arch_json_path, read_arch_json

    path = arch_json_path(arguments.arch_json)
    architecture = ArchitectureConfig.load(path)
    if arguments.dropout is not None:
        dropout = {"attention_dropout": arguments.dropout, "residual_dropout": arguments.dropout}
        architecture = architecture.model_copy(update=dropout)
    return path, architecture, read_arch_json(path)


def chosen_corpus(arguments: argparse.Namespace) -> str | CorpusRecipe | None:
    """What the flags say; None when they say nothing."""
    from nas.data.corpus_recipe import pair_recipe

    pair = arguments.train_path, arguments.val_path
    if pair == (None, None):
        return str(arguments.corpus) if arguments.corpus else None
    if None in pair or arguments.corpus:
        raise UsageError("--train-path and --val-path go together, and in place of --corpus")
    return pair_recipe(*pair)


def fitted(architecture: ArchitectureConfig, source: Source) -> ArchitectureConfig:
    """With the vocabulary size of the tokenizer that the user chose, which is said where it is another."""
    size = source.vocabulary.size
    if size == architecture.vocab_size:
        return architecture
    print(f"vocab_size {size}, the tokenizer's, in place of {architecture.vocab_size}", file=sys.stderr)
    return architecture.model_copy(update={"vocab_size": size})


def make_recipe(architecture: ArchitectureConfig, exported: Mapping[str, Any], arguments: argparse.Namespace) -> Recipe:
    """The arch JSON's recipe or the seed's, with the flags over it."""
    from nas.full_training.arch_json import section
    from nas.full_training.recipes import full_recipe

    return full_recipe(architecture, arguments.recipe, section(exported, "recipe"), vars(arguments))


def make_plan(
    architecture: ArchitectureConfig, recipe: Recipe, source: Source, folder: Path, arguments: argparse.Namespace
) -> TrainingPlan:
    """A run that is gone on with keeps its numerics."""
    from nas.full_training.plan import TrainingPlan, plan_evaluations, run_numerics
    from nas.trial.machine import available_cores
    from nas.trial.numerics import plan_numerics

    planned = plan_numerics(arguments.device, threads=available_cores(), compiled=arguments.compile)
    numerics = run_numerics(planned, folder)
    every, size = plan_evaluations(architecture, recipe, numerics, source.bytes_per_token, arguments.evaluate_every)
    return TrainingPlan(
        architecture=architecture,
        recipe=recipe,
        numerics=numerics,
        corpus_hash=source.data.corpus_hash,
        evaluate_every=every,
        validation_bytes=size,
    )


def print_estimate(
    plan: TrainingPlan, estimated: Estimate, source: Source, folder: Path, arguments: argparse.Namespace
) -> None:
    """What the run is and will take; `nas.full_training.estimate` says what stands behind the figures."""
    from nas.reporting.words import duration, gigabytes

    architecture, recipe = plan.architecture, plan.recipe
    tokens = recipe.num_steps * recipe.batch_tokens
    rate = recipe.batch_tokens / estimated.step_seconds
    lines = {
        "architecture": architecture.describe(),
        "parameters": f"{architecture.num_params:,}, {architecture.non_embedding_params:,} of them no embeddings",
        "training": f"{recipe.num_steps:,} steps of {recipe.batch_tokens:,} tokens: {tokens / 1e6:,.3g}M tokens, "
        f"{tokens / len(source.tokens):.2g} times the corpus, {plan.train_flops:.3g} FLOPs",
        "evaluations": f"every {plan.evaluate_every:,} steps, on {plan.validation_bytes:,} bytes",
        "time": f"about {duration(estimated.seconds(recipe.num_steps))}: {estimated.step_seconds:.2g} s a step, "
        f"{rate:,.0f} tokens/s, {estimated.peak_share(plan):.0%} of the measured peak "
        f"of {estimated.peak_flops / 1e9:,.0f} GFLOP/s",
        "memory": f"{gigabytes(estimated.memory_bytes)} on {plan.numerics.device}, in a few steps",
        "disk": f"{arguments.keep} checkpoints (--keep) and one between, {gigabytes(estimated.checkpoint_bytes)} each",
        "folder": str(folder),
    }
    for name, text in lines.items():
        print(f"{name:<13} {text}", flush=True)


def train(training: FullTraining, estimated: Estimate | None, *, quiet: bool) -> None:
    """Run to the end behind a progress bar; KeyboardInterrupt, with all saved, when told to stop."""
    from nas.reporting.training_bar import TrainingBar
    from nas.stop import StopRequests

    plan = training.plan
    if training.step and not quiet:
        print(f"going on from step {training.step:,}")
    bar = TrainingBar(
        num_steps=plan.recipe.num_steps,
        step=training.step,
        step_tokens=plan.recipe.batch_tokens,
        step_flops=plan.train_flops / plan.recipe.num_steps,
        peak_flops=estimated.peak_flops if estimated else None,
        quiet=quiet,
    )
    with StopRequests() as stop:
        with bar:
            for line in training.run(bar.hear, stop):
                bar.show(line)
        if not training.is_finished:
            print(
                f"stopped at step {training.step}, which is saved; the same command goes on from there",
                file=sys.stderr,
            )
            stop.leave()


def print_end(folder: Path, summary: Mapping[str, Any], completions: Sequence[Completion]) -> None:
    """Some samples, the verdict, where everything is, and what to do next."""
    from nas.full_training.verdict import SAMPLES_FILE
    from nas.reporting.words import duration, fixed
    from nas.trial.language_model import BEST_WEIGHTS

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
        "next": f"python -c \"import nas; print(nas.load('{folder}').complete('def '))\"",
    }
    print()
    for name, text in lines.items():
        print(f"{name:<11} {text}")


if __name__ == "__main__":
    cli.run(main, "nas.train")

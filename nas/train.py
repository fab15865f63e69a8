"""`python -m nas.train`: train an exported architecture fully, with the loop and the rules of a trial."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nas.architecture import ArchitectureConfig
    from nas.data import PreparedData, Vocabulary
    from nas.data.corpus_recipe import CorpusRecipe
    from nas.space_sections import EvaluationSection
    from nas.trial.full_training import FullTraining, TrainingPlan

_BATCH_TOKENS = 4096
_EVALUATIONS = 20
_SAMPLES_SHOWN = 3
_LEAST_SEQ_LENGTH = 32

_Number = TypeVar("_Number", int, float)


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.train", "Train an architecture fully. The same command goes on with a run that was stopped."
    )
    built.add_argument("--arch-json", required=True, metavar="FILE", help="an arch JSON of a search, or the seed's")
    length = built.add_mutually_exclusive_group(required=True)
    length.add_argument("--max-steps", type=cli.whole, metavar="N", help="training steps")
    length.add_argument("--flops", type=cli.positive, metavar="N", help="training FLOPs, such as 1e14")
    built.add_argument(
        "--corpus", metavar="PATH", help="as in nas.search (default: the one the search used, or stdlib)"
    )
    built.add_argument(
        "--train-path", metavar="FILE", help="a text file to train on, in place of --corpus; goes with --val-path"
    )
    built.add_argument("--val-path", metavar="FILE", help="a text file; half is validation, half the holdout")
    built.add_argument(
        "--use-tokens", action="store_true", help="of the seed's command lines; changes nothing, tokens are always used"
    )
    built.add_argument(
        "--tokenizer",
        metavar="SIZE|chars|bytes|gpt2|FILE",
        help="of as many tokens as the arch JSON's vocab_size (default: the arch JSON's, or a BPE of that size)",
    )
    built.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-ARCHITECTURE)")
    built.add_argument("--learning-rate", type=cli.positive, metavar="LR", help="peak rate (default: by rule)")
    built.add_argument("--batch-tokens", type=cli.whole, metavar="N", help="tokens a step (default: the arch JSON's)")
    built.add_argument("--evaluate-every", type=cli.whole, metavar="N", help="steps (default: a 20th of all)")
    built.add_argument(
        "--seed", type=cli.seed, default=0, metavar="N", help="of weights, data order and dropout (default: 0)"
    )
    built.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    built.add_argument(
        "--compile",
        action="store_true",
        help="let torch.compile make the kernels: worth its seconds to minutes in a long run; needs a C++ compiler",
    )
    built.add_argument("--quiet", action="store_true", help="print only the end")
    built.add_argument("--json", action="store_true", help="print the end as one JSON object")
    return built


@dataclass(frozen=True)
class Source:
    """What is trained on: the corpus, the vocabulary and the training stream, (num_tokens,)."""

    data: PreparedData
    vocabulary: Vocabulary
    tokens: NDArray[np.integer]


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    from nas.architecture import ArchitectureConfig, read_arch_json

    path = Path(arguments.arch_json)
    architecture = ArchitectureConfig.load(path)
    exported = read_arch_json(path)

    from nas.lock import locked
    from nas.trial.full_training import FullTraining
    from nas.trial.judge import judging_prompts

    settings, prompt_bytes = holdout_settings(architecture)
    source = open_source(architecture, exported, path, arguments)
    # Here too, so that a holdout without prompts is known before the training and not after it.
    judging_prompts(source.data, "holdout", settings, prompt_bytes)
    folder = Path(arguments.out or Path("runs") / f"{path.stem}-{architecture.id}")
    plan = make_plan(architecture, exported, source, folder, arguments)
    plan.numerics.apply()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, f"the run in {folder}", "choose another --out"):
        training = FullTraining(folder, plan, source.vocabulary, source.tokens, source.data)
        try:
            train(training, quiet=arguments.quiet or arguments.json)
        except KeyboardInterrupt:
            print(
                f"\nstopped at step {training.step}; the same command goes on from the last checkpoint",
                file=sys.stderr,
            )
            raise
        finish(training, source, as_json=arguments.json)
    return 0


def open_source(
    architecture: ArchitectureConfig, exported: dict[str, Any], path: Path, arguments: argparse.Namespace
) -> Source:
    """The corpus, encoded by --tokenizer, else by the arch JSON's own, else by a BPE trained to its vocab_size."""
    from nas.data import Vocabulary, prepare_data
    from nas.space_sections import vocabulary_name

    trained_on = _section(_section(exported, "provenance"), "corpus")
    corpus = chosen_corpus(arguments) or str(trained_on.get("source", "stdlib"))
    if arguments.tokenizer:
        return chosen_source(architecture.vocab_size, path, corpus, arguments.tokenizer)
    if "tokenizer" in exported:
        vocabulary = Vocabulary.load(path.parent / str(exported["tokenizer"]))
        data = prepare_data(corpus, [vocabulary])
        tokens = data.tokens(vocabulary.file_name, "train")
    else:
        try:
            name = vocabulary_name(architecture.vocab_size)
        except ValueError as error:
            raise UsageError(f"{path} names no tokenizer and none can be trained: {error}") from None
        data = prepare_data(corpus, [name])
        vocabulary, tokens = data.vocabulary(name), data.tokens(name, "train")
    if vocabulary.size != architecture.vocab_size:
        raise UsageError(
            f"the tokenizer has {vocabulary.size} tokens, the architecture a vocab_size of {architecture.vocab_size}; "
            "give a larger corpus, or an arch JSON with its tokenizer file"
        )
    return Source(data, vocabulary, tokens)


def chosen_corpus(arguments: argparse.Namespace) -> str | CorpusRecipe | None:
    """What the flags say; None when they say nothing."""
    from nas.data.corpus_recipe import pair_recipe

    pair = arguments.train_path, arguments.val_path
    if pair == (None, None):
        return str(arguments.corpus) if arguments.corpus else None
    if None in pair or arguments.corpus:
        raise UsageError("--train-path and --val-path go together, and in place of --corpus")
    return pair_recipe(*pair)


def chosen_source(vocab_size: int, path: Path, corpus: str | CorpusRecipe, given: str) -> Source:
    """The corpus, encoded by a tokenizer that the user names; UsageError unless it has `vocab_size` tokens."""
    from nas.data import choose_tokenizer, known_size, prepare_data

    def check(size: int, where: str = "") -> None:
        if size != vocab_size:
            raise UsageError(
                f"--tokenizer {given} has {size} tokens{where}, {path} a vocab_size of {vocab_size}; "
                f"give a tokenizer of {vocab_size} tokens, or an arch JSON with a vocab_size of {size}"
            )

    chosen = choose_tokenizer(given)
    check(known_size(chosen) or vocab_size)
    data = prepare_data(corpus, [chosen])
    (name,) = data.vocabulary_names
    vocabulary = data.vocabulary(name)
    check(vocabulary.size, " on this corpus")
    return Source(data, vocabulary, data.tokens(name, "train"))


def make_plan(
    architecture: ArchitectureConfig,
    exported: dict[str, Any],
    source: Source,
    folder: Path,
    arguments: argparse.Namespace,
) -> TrainingPlan:
    """The arch JSON's recipe, the flags over it, the learning rate by rule; a run gone on with keeps its numerics."""
    from nas.trial.full_training import TrainingPlan, run_numerics
    from nas.trial.machine import available_cores
    from nas.trial.numerics import plan_numerics
    from nas.trial.recipe import plan_recipe

    stored = _section(exported, "recipe")
    seq_length = min(_positive(stored, "seq_length", architecture.max_seq_length), architecture.max_seq_length)
    batch_tokens = arguments.batch_tokens or _positive(stored, "batch_tokens", max(_BATCH_TOKENS, seq_length))
    if batch_tokens % seq_length:
        raise UsageError(f"--batch-tokens {batch_tokens} is not a multiple of the sequence length {seq_length}")
    flops_per_step = architecture.train_flops_per_token(seq_length) * batch_tokens
    num_steps = arguments.max_steps or math.floor(arguments.flops / flops_per_step)
    if num_steps < 1:
        raise UsageError(f"--flops {arguments.flops:g} is less than one step of {flops_per_step:.3g} FLOPs")
    recipe = plan_recipe(
        architecture,
        num_steps=num_steps,
        batch_tokens=batch_tokens,
        seq_length=seq_length,
        lr_multiplier=_positive(stored, "lr_multiplier", 1.0),
        seed=arguments.seed,
    )
    if arguments.learning_rate:
        recipe = recipe.model_copy(update={"learning_rate": arguments.learning_rate})
    return TrainingPlan(
        architecture=architecture,
        recipe=recipe,
        numerics=run_numerics(
            plan_numerics(arguments.device, threads=available_cores(), compiled=arguments.compile), folder
        ),
        corpus_hash=source.data.corpus_hash,
        evaluate_every=arguments.evaluate_every or max(1, num_steps // _EVALUATIONS),
        validation_bytes=262_144,
    )


def _section(exported: dict[str, Any], name: str) -> dict[str, Any]:
    """An object of the arch JSON; empty when it is not there, UsageError when it is no object."""
    section = exported.get(name, {})
    if not isinstance(section, dict):
        raise UsageError(f"the arch JSON's '{name}' is an object of keys, found {section!r}")
    return section


def _positive(stored: dict[str, Any], name: str, default: _Number) -> _Number:
    """A number above 0 of the arch JSON's recipe, of the default's type."""
    value = stored.get(name, default)
    kinds = (int, float) if isinstance(default, float) else int
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise UsageError(f"the arch JSON's recipe has {name} {value!r}; it is a number above 0")
    return type(default)(value)


def train(training: FullTraining, *, quiet: bool) -> None:
    """Run to the end behind a progress bar; off a terminal, one line an evaluation."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nas.reporting.words import fixed

    plan = training.plan
    console = Console(quiet=quiet)
    resumed = f", from step {training.step}" if training.step else ""
    console.print(f"{plan.architecture.describe()}, {plan.architecture.num_params:,} parameters", highlight=False)
    console.print(f"{plan.recipe.num_steps} steps of {plan.recipe.batch_tokens} tokens{resumed}; {training.folder}")
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=plan.recipe.num_steps, completed=training.step, loss="")

        def show(step: int, loss: float) -> None:
            bar.update(task, completed=step, loss=f"loss {loss:.3f}")

        for line in training.run(show):
            console.print(
                f"step {line['step']:>7}  loss {line['train_loss']:.3f}  val_bpb {line['val_bpb']:.4f}  "
                f"novel {fixed(line['val_novel_bpb'], 4)}  lr {line['learning_rate']:.2e}  "
                f"{line['measured']['tokens_per_second']:,.0f} tokens/s",
                highlight=False,
            )


def holdout_settings(architecture: ArchitectureConfig) -> tuple[EvaluationSection, int]:
    """How the end is judged, and the bytes of a prompt; UsageError when max_seq_length has no room for both."""
    from nas.space_sections import EvaluationSection

    length = architecture.max_seq_length
    if length < _LEAST_SEQ_LENGTH:
        raise UsageError(
            f"max_seq_length {length} has no room for a prompt and its completion; "
            f"it takes at least {_LEAST_SEQ_LENGTH}"
        )
    completion_bytes = min(200, length // 2)
    return EvaluationSection(completion_bytes=completion_bytes), min(256, length - completion_bytes)


def finish(training: FullTraining, source: Source, *, as_json: bool) -> None:
    """Judge the best weights on the holdout, keep what they wrote, say where everything is."""
    import nas
    from nas.reporting.words import fixed
    from nas.trial.judge import judge
    from nas.trial.run import write_samples

    best = nas.load(training.folder)
    settings, prompt_bytes = holdout_settings(training.plan.architecture)
    best.model.to(training.plan.numerics.device)
    verdict = judge(best.model, source.vocabulary, source.data, "holdout", settings, prompt_bytes)
    samples = training.folder / "samples.jsonl"
    write_samples(verdict.completions, samples)
    judgement = verdict.judgement
    if as_json:
        facts = {
            "folder": str(training.folder),
            "steps": training.step,
            "best_step": training.best.best_step,
            "val_bpb": training.best.best_val_bpb,
            "val_novel_bpb": training.best.best_val_novel_bpb,
            "holdout": judgement.model_dump(mode="json") | {"collapse_rate": judgement.collapse_rate},
        }
        print(json.dumps(facts, indent=2))
        return
    for one in verdict.completions[:_SAMPLES_SHOWN]:
        print(f"\n--- {one.mode}{f', collapsed: {one.rule}' if one.rule else ''}; the completion starts after >>>")
        print(cli.printable(f"{one.prompt}>>>{one.completion}"))
    print()
    print(
        f"best        step {training.best.best_step}, val_bpb {training.best.best_val_bpb:.4f}  "
        f"novel {fixed(training.best.best_val_novel_bpb, 4)}"
    )
    print(
        f"holdout     bpb {judgement.bpb:.4f}  novel {fixed(judgement.novel_bpb, 4)}  "
        f"collapse sampled {judgement.sampled_collapse_rate:.3f}, greedy {judgement.greedy_collapse_rate:.3f}"
    )
    print(f"samples     {samples}")
    print(f"weights     {training.folder / 'best.safetensors'}")
    print(f"next        python -m nas.play {shlex.quote(str(training.folder))}")


if __name__ == "__main__":
    cli.run(main, "nas.train")

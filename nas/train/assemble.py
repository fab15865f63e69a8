"""From the flags of `nas.train` to a run: architecture, text, tokenizer, recipe, numerics, teacher, plan."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.architecture.config import ArchitectureConfig, arch_json_path, read_arch_json
from nas.corpus.recipe import CorpusRecipe, pair_recipe
from nas.errors import UsageError
from nas.evaluate.metrics import evaluation_prompts
from nas.system.machine import available_cores
from nas.train.arch_json import section
from nas.train.flags import TEACHER_DEFAULTS
from nas.train.plan import TrainingPlan, plan_evaluations, run_numerics
from nas.train.recipes import full_recipe
from nas.train.source import Source, open_source
from nas.train.teacher import Teacher, open_teacher
from nas.train.verdict import holdout_settings
from nas.training.numerics import Numerics, plan_numerics
from nas.training.recipe import Recipe


@dataclass(frozen=True)
class Assembled:
    """All that a run is made of."""

    folder: Path
    plan: TrainingPlan
    source: Source
    teacher: Teacher | None


def assemble(arguments: argparse.Namespace) -> Assembled:
    """Read, check and prepare all that `arguments` name; this process is set up for the run's numerics.

    What is wrong with flags or arch JSON is said before a corpus is built, and what is wrong with the corpus before
    anything is trained.
    """
    check_teacher_flags(arguments)
    path, architecture, exported = read_architecture(arguments)
    settings, prompt_bytes = holdout_settings(architecture)
    make_recipe(architecture, exported, arguments)
    source = open_source(architecture.vocab_size, exported, path, chosen_corpus(arguments), arguments.tokenizer)
    architecture = fitted(architecture, source)
    evaluation_prompts(source.data, "holdout", settings, prompt_bytes)
    name = arguments.experiment_name or f"{path.stem}-{architecture.id}"
    folder = Path(arguments.out or Path("runs") / name)
    numerics = make_numerics(folder, arguments)
    numerics.apply()
    teacher = make_teacher(make_recipe(architecture, exported, arguments), source, numerics, arguments)
    recipe = make_recipe(architecture, exported, arguments, teacher)
    return Assembled(folder, make_plan(architecture, recipe, numerics, source, teacher, arguments), source, teacher)


def check_teacher_flags(arguments: argparse.Namespace) -> None:
    """UsageError for flags that say how to learn from a teacher where there is none."""
    given = [name for name in TEACHER_DEFAULTS if getattr(arguments, name) is not None]
    if given and arguments.teacher is None:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{flags} without --teacher changes nothing; add --teacher PATH or leave it out")


def read_architecture(arguments: argparse.Namespace) -> tuple[Path, ArchitectureConfig, dict[str, Any]]:
    """The arch JSON's path, its architecture under --dropout, and all that stands in it."""
    path = arch_json_path(arguments.arch_json)
    architecture = ArchitectureConfig.load(path)
    if arguments.dropout is not None:
        dropout = {"attention_dropout": arguments.dropout, "residual_dropout": arguments.dropout}
        architecture = architecture.model_copy(update=dropout)
    return path, architecture, read_arch_json(path)


def chosen_corpus(arguments: argparse.Namespace) -> str | CorpusRecipe | None:
    """What the flags say; None when they say nothing."""
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


def make_recipe(
    architecture: ArchitectureConfig,
    exported: Mapping[str, Any],
    arguments: argparse.Namespace,
    teacher: Teacher | None = None,
) -> Recipe:
    """The arch JSON's recipe or the seed's, with the flags over it."""
    flops = teacher.distillation.flops_per_token if teacher else 0
    return full_recipe(architecture, arguments.recipe, section(exported, "recipe"), vars(arguments), flops)


def make_numerics(folder: Path, arguments: argparse.Namespace) -> Numerics:
    """A run that is gone on with keeps its own."""
    planned = plan_numerics(arguments.device, threads=available_cores(), compiled=arguments.compile)
    return run_numerics(planned, folder)


def make_teacher(recipe: Recipe, source: Source, numerics: Numerics, arguments: argparse.Namespace) -> Teacher | None:
    if arguments.teacher is None:
        return None
    given = {name: getattr(arguments, name) for name in TEACHER_DEFAULTS}
    says = {name: default if given[name] is None else given[name] for name, default in TEACHER_DEFAULTS.items()}
    return open_teacher(
        arguments.teacher,
        source,
        recipe.seq_length,
        numerics,
        share=says["teacher_share"],
        temperature=says["teacher_temperature"],
        top_k=int(says["teacher_top_k"]),
    )


def make_plan(
    architecture: ArchitectureConfig,
    recipe: Recipe,
    numerics: Numerics,
    source: Source,
    teacher: Teacher | None,
    arguments: argparse.Namespace,
) -> TrainingPlan:
    every, size = plan_evaluations(architecture, recipe, numerics, source.bytes_per_token, arguments.evaluate_every)
    return TrainingPlan(
        architecture=architecture,
        recipe=recipe,
        numerics=numerics,
        corpus_hash=source.data.corpus_hash,
        evaluate_every=every,
        validation_bytes=size,
        distillation=teacher.distillation if teacher else None,
    )

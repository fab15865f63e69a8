"""The setup of a run from the flags of `nas.train`: architecture, text, tokenizer, recipe, numerics, teacher, plan."""

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
from nas.train.flags import TEACHER_DEFAULTS
from nas.train.plan import TrainingPlan, plan_evaluations, run_numerics
from nas.train.recipes import full_recipe
from nas.train.source import Source, open_source, section
from nas.train.teacher import Teacher, open_teacher
from nas.train.verdict import holdout_settings
from nas.training.numerics import Numerics, plan_numerics
from nas.training.recipe import Recipe


@dataclass(frozen=True)
class RunSetup:
    """Everything a run needs."""

    folder: Path
    plan: TrainingPlan
    source: Source
    teacher: Teacher | None


def set_up_run(arguments: argparse.Namespace) -> RunSetup:
    """Read, check and prepare everything that `arguments` name, and apply the numerics to this process.

    Errors in flags or arch JSON are raised before a corpus is built, and errors in the corpus before anything is
    trained.
    """
    check_teacher_flags(arguments)
    path, architecture, exported = read_architecture(arguments)
    settings, prompt_bytes = holdout_settings(architecture)
    make_recipe(architecture, exported, arguments)
    source = open_source(architecture.vocab_size, exported, path, requested_corpus(arguments), arguments.tokenizer)
    architecture = with_vocabulary_of(source, architecture)
    evaluation_prompts(source.data, "holdout", settings, prompt_bytes)
    name = arguments.experiment_name or f"{path.stem}-{architecture.id}"
    folder = Path(arguments.out or Path("runs") / name)
    numerics = make_numerics(folder, arguments)
    numerics.apply()
    teacher = make_teacher(make_recipe(architecture, exported, arguments), source, numerics, arguments)
    recipe = make_recipe(architecture, exported, arguments, teacher)
    return RunSetup(folder, make_plan(architecture, recipe, numerics, source, teacher, arguments), source, teacher)


def check_teacher_flags(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags of a teacher without --teacher."""
    given = [name for name in TEACHER_DEFAULTS if getattr(arguments, name) is not None]
    if given and arguments.teacher is None:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{flags} has no effect without --teacher; add --teacher PATH or leave it out")


def read_architecture(arguments: argparse.Namespace) -> tuple[Path, ArchitectureConfig, dict[str, Any]]:
    """Return the arch JSON's path, its architecture with --dropout, and its whole content."""
    path = arch_json_path(arguments.arch_json)
    architecture = ArchitectureConfig.load(path)
    if arguments.dropout is not None:
        dropout = {"attention_dropout": arguments.dropout, "residual_dropout": arguments.dropout}
        architecture = architecture.model_copy(update=dropout)
    return path, architecture, read_arch_json(path)


def requested_corpus(arguments: argparse.Namespace) -> str | CorpusRecipe | None:
    """Return the corpus that the flags name; None if they name none."""
    pair = arguments.train_path, arguments.val_path
    if pair == (None, None):
        return str(arguments.corpus) if arguments.corpus else None
    if None in pair or arguments.corpus:
        raise UsageError("give --train-path and --val-path together, and without --corpus")
    return pair_recipe(*pair)


def with_vocabulary_of(source: Source, architecture: ArchitectureConfig) -> ArchitectureConfig:
    """Return `architecture` with the vocabulary size of the tokenizer; print a note if it changes."""
    size = source.vocabulary.size
    if size == architecture.vocab_size:
        return architecture
    print(f"vocab_size {size}, the size of the tokenizer, replaces {architecture.vocab_size}", file=sys.stderr)
    return architecture.model_copy(update={"vocab_size": size})


def make_recipe(
    architecture: ArchitectureConfig,
    exported: Mapping[str, Any],
    arguments: argparse.Namespace,
    teacher: Teacher | None = None,
) -> Recipe:
    """Return the recipe of --recipe with the arch JSON's values and the flags."""
    flops = teacher.distillation.flops_per_token if teacher else 0
    return full_recipe(architecture, arguments.recipe, section(exported, "recipe"), vars(arguments), flops)


def make_numerics(folder: Path, arguments: argparse.Namespace) -> Numerics:
    """Return the numerics of the flags; a resumed run keeps its own precision and threads."""
    planned = plan_numerics(arguments.device, threads=available_cores(), compiled=arguments.compile)
    return run_numerics(planned, folder)


def make_teacher(recipe: Recipe, source: Source, numerics: Numerics, arguments: argparse.Namespace) -> Teacher | None:
    if arguments.teacher is None:
        return None
    given = {name: getattr(arguments, name) for name in TEACHER_DEFAULTS}
    settings = {name: default if given[name] is None else given[name] for name, default in TEACHER_DEFAULTS.items()}
    return open_teacher(
        arguments.teacher,
        source,
        recipe.seq_length,
        numerics,
        share=settings["teacher_share"],
        temperature=settings["teacher_temperature"],
        top_k=int(settings["teacher_top_k"]),
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

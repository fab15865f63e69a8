"""The models that are trained fully under equal FLOPs: those of a search, and those that people use without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.architecture.config import ArchitectureConfig, read_arch_json
from nas.errors import UsageError
from nas.search.references import scaled_references
from nas.space.dimension import Range
from nas.space.search_space import load_space
from nas.training.recipe import Recipe, plan_recipe

STUDY = Path("trials/reference/longer")
NAMES = ("searched", "predicted", "llama", "origin-a", "origin-c", "small-1m")
_MAX_BATCH_TOKENS, _MIN_STEPS, _SEQ_LENGTH = 4096, 1000, 256


@dataclass(frozen=True)
class ModelSpec:
    """An architecture with the vocabulary and the settings that it is trained under."""

    name: str
    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float = 1.0
    batch_tokens: int = _MAX_BATCH_TOKENS

    def recipe(self, train_flops: float, seed: int, teacher_flops_per_token: int = 0) -> Recipe:
        """Return the recipe of as many steps as `train_flops` buys, with the learning rate of a trial's rule.

        The batch is halved while there would be fewer than 1,000 steps, so that a large model under a small budget
        does not lose because of its batch.
        """
        per_token = self.architecture.train_flops_per_token(_SEQ_LENGTH) + teacher_flops_per_token
        batch = self.batch_tokens
        while train_flops / (per_token * batch) < _MIN_STEPS and batch > _SEQ_LENGTH:
            batch //= 2
        if train_flops < per_token * batch:
            raise UsageError(f"--flops {train_flops:g} is less than one step of {per_token * batch:.3g} FLOPs")
        return plan_recipe(
            self.architecture,
            num_steps=int(train_flops / (per_token * batch)),
            batch_tokens=batch,
            seq_length=_SEQ_LENGTH,
            lr_multiplier=self.lr_multiplier,
            seed=seed,
        )


def model_specs(train_flops: float) -> dict[str, ModelSpec]:
    """Return the models by NAMES.

    These are the best of a search at its own budget, the one predicted best at a hundred times as much, Llama scaled
    to these FLOPs, the origin's L4 H256 under two vocabularies, and a million parameters.
    """
    specs = [
        _exported("searched", STUDY / "best-at-search.json"),
        _exported("predicted", STUDY / "best-at-target.json"),
        _scaled_llama(train_flops),
        ModelSpec("origin-a", ArchitectureConfig.load("origin-a"), "bpe-4096"),
        ModelSpec("origin-c", ArchitectureConfig.load("origin-c"), "gpt2"),
        _shipped("small-1m", "bpe-2048"),
    ]
    return {spec.name: spec for spec in specs}


def _exported(name: str, path: Path) -> ModelSpec:
    """Return what a search exported, with steps of full training instead of the small ones of trials."""
    arch = read_arch_json(path)
    return ModelSpec(
        name, ArchitectureConfig.load(path), str(arch["vocabulary"]), float(arch["recipe"]["lr_multiplier"])
    )


def _scaled_llama(train_flops: float) -> ModelSpec:
    """Return Llama scaled as a search scales its references, in a space like `base` but wide enough."""
    space = load_space("base")
    ranges = {"num_layers": Range(min=1, max=12), "hidden_dim": Range(min=16, max=512, step=16)}
    space = space.model_copy(
        update={
            "search": space.search.model_copy(update=ranges),
            "training": space.training.model_copy(update={"trial_flops": train_flops}),
        }
    )
    sizes = {name: int(name.removeprefix("bpe-")) for name in space.vocabulary_names}
    candidate = space.candidate(scaled_references(space, sizes)["llama"], sizes)
    return ModelSpec("llama", candidate.architecture, candidate.vocabulary)


def _shipped(name: str, vocabulary: str) -> ModelSpec:
    recipe = read_arch_json(name)["recipe"]
    return ModelSpec(
        name, ArchitectureConfig.load(name), vocabulary, float(recipe["lr_multiplier"]), int(recipe["batch_tokens"])
    )

"""The architectures that are trained fully beside each other, under equal FLOPs: the search's and what people take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FixedTrial

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
class Contender:
    """An architecture with the vocabulary it is trained under."""

    name: str
    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float = 1.0
    batch_tokens: int = _MAX_BATCH_TOKENS

    def recipe(self, train_flops: float, seed: int, teacher_flops_per_token: int = 0) -> Recipe:
        """As many steps of the trial's rule as `train_flops` buys.

        Of 4,096 tokens, or half of them and so on where that would leave under 1,000 steps: a giant under a small
        budget is not to lose by its batch.
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


def contenders(train_flops: float) -> dict[str, Contender]:
    """By NAMES: of a search the best at its own budget and the one predicted best at a hundred times as much,
    Llama scaled to these FLOPs, the origin's L4 H256 under two vocabularies, a million parameters."""
    found = [
        of_study("searched", STUDY / "best-at-search.json"),
        of_study("predicted", STUDY / "best-at-target.json"),
        scaled_llama(train_flops),
        Contender("origin-a", ArchitectureConfig.load("origin-a"), "bpe-4096"),
        Contender("origin-c", ArchitectureConfig.load("origin-c"), "gpt2"),
        shipped("small-1m", "bpe-2048"),
    ]
    return {one.name: one for one in found}


def of_study(name: str, path: Path) -> Contender:
    """What a search exported; the steps are of full training, not the small ones of trials."""
    arch = read_arch_json(path)
    return Contender(
        name, ArchitectureConfig.load(path), str(arch["vocabulary"]), float(arch["recipe"]["lr_multiplier"])
    )


def scaled_llama(train_flops: float) -> Contender:
    """As the search scales its references, in a space as `base` but wide enough for these FLOPs."""
    space = load_space("base")
    ranges = {"num_layers": Range(min=1, max=12), "hidden_dim": Range(min=16, max=512, step=16)}
    space = space.model_copy(
        update={
            "search": space.search.model_copy(update=ranges),
            "training": space.training.model_copy(update={"trial_flops": train_flops}),
        }
    )
    sizes = {name: int(name.removeprefix("bpe-")) for name in space.vocabulary_names}
    candidate = space.suggest(FixedTrial(scaled_references(space, sizes)["llama"]), sizes)
    return Contender("llama", candidate.architecture, candidate.vocabulary)


def shipped(name: str, vocabulary: str) -> Contender:
    recipe = read_arch_json(name)["recipe"]
    return Contender(
        name, ArchitectureConfig.load(name), vocabulary, float(recipe["lr_multiplier"]), int(recipe["batch_tokens"])
    )

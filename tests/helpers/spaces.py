"""Search spaces for tests of a search."""

from __future__ import annotations

from pathlib import Path

import optuna

from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.search.proposals.distributions import search_distributions, suggest
from nas.space.search_space import Candidate, SearchSpace, load_space
from nas.space.sections import vocabulary_name

SIZES = {"bytes": 256, "bpe-512": 512}

# Two layers x two widths are four architectures; the continuous lr_multiplier makes no fifth.
FOUR = """
[search]
num_layers = [1, 2]
hidden_dim = [32, 64]
head_dim = 16
vocab_size = 256
lr_multiplier = { min = 0.5, max = 2.0, log = true }
[constraints]
max_params = 1_000_000
[training]
trial_flops = 1e10
max_seq_length = 64
batch_tokens = 512
[evaluation]
validation_bytes = 8_192
num_prompts = 8
completion_bytes = 40
[verdict]
num_finalists = 2
num_seeds = 2
num_prompts = 16
"""


def tiny() -> SearchSpace:
    return load_space("tiny")


def space_of(text: str, folder: Path, name: str = "mine") -> SearchSpace:
    return load_space(str(write_space(text, folder, name)))


def write_space(text: str, folder: Path, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def sizes_of(space: SearchSpace) -> dict[str, int]:
    """Return the nominal size of every vocabulary, and 300 for characters."""
    values = space.search.vocab_size if isinstance(space.search.vocab_size, tuple) else (space.search.vocab_size,)
    return {vocabulary_name(value): 300 if value == "char" else int(value) for value in values}


def sampler_of(space: SearchSpace, seed: int = 0) -> DistinctSampler:
    return DistinctSampler(space, sizes_of(space), seed)


def suggested(space: SearchSpace, trial: optuna.Trial) -> Candidate:
    """Return the candidate of the point that a trial suggests."""
    return space.candidate(suggest(trial, search_distributions(space)), sizes_of(space))

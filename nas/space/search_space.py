"""The search space: read from TOML, checked once, and the candidate that each of its points stands for.

The space is flat, and every combination of its values can be built (see nas.space.sections).
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import Traits, is_exportable, kv_heads_kind, no_class_message
from nas.errors import SpaceError, unknown_name, validation_message
from nas.space.dimension import Dimension, Point, Range, Scalar, choices_of, typed_value
from nas.space.sections import (
    ConstraintsSection,
    EvaluationSection,
    SearchSection,
    TrainingSection,
    VerdictSection,
    vocabulary_name,
)

MIN_STEPS = 20
"""With fewer training steps, a trial says nothing about its architecture."""


@dataclass(frozen=True)
class Candidate:
    """Candidate that a point of the space describes: an architecture, its vocabulary, and its part of the recipe."""

    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float
    point: Point = field(default_factory=dict, compare=False)
    """The point of the space that was turned into this candidate; empty if it came from elsewhere.

    Not compared: two points stand for one candidate where a query group is reduced to fit the heads.
    """


class SearchSpace(BaseModel):
    """A search space file: [search], [constraints], [training], [evaluation], [verdict]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    search: SearchSection
    constraints: ConstraintsSection = ConstraintsSection()
    training: TrainingSection
    evaluation: EvaluationSection = EvaluationSection()
    verdict: VerdictSection = VerdictSection()

    @model_validator(mode="after")
    def _check_prompts(self) -> Self:
        if self.prompt_bytes < 16:
            raise ValueError(
                f"completion_bytes {self.evaluation.completion_bytes} leaves {self.prompt_bytes} bytes of "
                f"max_seq_length {self.training.max_seq_length} for a prompt; it needs at least 16"
            )
        return self

    @property
    def prompt_bytes(self) -> int:
        return self.training.prompt_bytes(self.evaluation.completion_bytes)

    @property
    def vocabulary_names(self) -> list[str]:
        return [vocabulary_name(value) for value in choices_of(self.search.vocab_size)]

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """All dimensions by name, in the order in which they are suggested."""
        return {name: getattr(self.search, name) for name in SearchSection.model_fields}

    @property
    def num_combinations(self) -> float:
        """An upper bound on the number of architectures; infinite if one of their dimensions is continuous."""
        dimensions = [dimension for name, dimension in self.dimensions.items() if name != "lr_multiplier"]
        if any(isinstance(dimension, Range) and dimension.is_continuous for dimension in dimensions):
            return math.inf
        return float(math.prod(len(choices_of(dimension)) for dimension in dimensions))

    def excess(self, architecture: ArchitectureConfig) -> dict[str, float]:
        """Return how far the architecture exceeds each limit, as a share of it; at most 0 is inside the limit.

        Besides [constraints] there is one limit: trial_flops must buy MIN_STEPS training steps at the lowest rung.
        """
        limits = self.constraints.excess(architecture, self.training.batch_tokens)
        return limits | {"trial_flops": MIN_STEPS / max(self.training.num_steps(architecture, 0), 1e-9) - 1}

    def is_legal(self, architecture: ArchitectureConfig) -> bool:
        """Return whether the architecture is inside every limit that is known before training."""
        return max(self.excess(architecture).values()) <= 0

    def only_exportable(self) -> Self:
        """Return the same space limited to architectures that a class of transformers represents.

        Raises SpaceError if there are none, and says which change would allow some.
        """
        searched = {name: choices_of(dimension) for name, dimension in self.dimensions.items()}
        shapes = itertools.product(*(searched[key] for key in ("hidden_dim", "head_dim", "query_group_size")))
        kinds = sorted({kv_heads_kind(*heads_of(*shape)) for shape in shapes})
        points = [
            Traits(str(norm), str(position), str(activation), bool(qk_norm), kind)
            for norm, position, activation, qk_norm, kind in itertools.product(
                *(searched[key] for key in ("normalization", "position_encoding", "activation", "qk_norm")), kinds
            )
        ]
        if not any(map(is_exportable, points)):
            raise SpaceError(f"nothing in the space '{self.name}' is exportable: {no_class_message(points)}")
        constraints = self.constraints.model_copy(update={"exportable": True})
        return self.model_copy(update={"constraints": constraints})

    def candidate(self, point: Mapping[str, Scalar], vocabulary_sizes: Mapping[str, int]) -> Candidate:
        """Return the candidate that a point stands for.

        The point needs a value for every searched dimension; fixed ones may be left out. `vocabulary_sizes`
        maps vocabulary names to the number of tokens they really have: a small corpus can end a BPE early, and
        the number of characters depends on the corpus.
        """
        values = self._with_fixed_values(point)
        vocabulary = vocabulary_name(values["vocab_size"])
        num_heads, num_kv_heads = heads_of(values["hidden_dim"], values["head_dim"], values["query_group_size"])
        dropout = float(values["dropout"])
        architecture = ArchitectureConfig.parse(
            {
                "num_layers": int(values["num_layers"]),
                "hidden_dim": int(values["hidden_dim"]),
                "num_heads": num_heads,
                "num_kv_heads": num_kv_heads,
                "ffn_multiplier": float(values["ffn_multiplier"]),
                "activation": values["activation"],
                "normalization": values["normalization"],
                "position_encoding": values["position_encoding"],
                "attention_dropout": dropout,
                "residual_dropout": dropout,
                "vocab_size": vocabulary_sizes[vocabulary],
                "max_seq_length": self.training.max_seq_length,
                "tie_embeddings": values["tie_embeddings"],
                "qk_norm": values["qk_norm"],
            }
        )
        return Candidate(architecture, vocabulary, float(values["lr_multiplier"]), values)

    def _with_fixed_values(self, point: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return a value for every dimension, in their order."""
        dimensions = self.dimensions
        fixed = {name: dimension for name, dimension in dimensions.items() if isinstance(dimension, Scalar)}
        values = {**fixed, **point}
        return {name: typed_value(dimension, values[name]) for name, dimension in dimensions.items()}


def heads_of(hidden_dim: Any, head_dim: Any, query_group_size: Any) -> tuple[int, int]:
    """Return the numbers of heads and of key/value heads.

    A query group that does not divide the number of heads is reduced to their greatest common divisor.
    """
    num_heads = int(hidden_dim) // int(head_dim)
    return num_heads, num_heads // math.gcd(num_heads, int(query_group_size))


def load_space(name_or_path: str) -> SearchSpace:
    """Read a shipped space by name or any TOML file by path; SpaceError with one line if it is not valid."""
    path = _find_space(name_or_path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpaceError(f"cannot read search space {path}: {error}") from None
    _refuse_unknown(values, path)
    try:
        space = SearchSpace(name=path.stem, **values)
    except ValidationError as error:
        raise SpaceError(validation_message(error, path.name)) from None
    return space.only_exportable() if space.constraints.exportable else space


def shipped_spaces() -> list[str]:
    """Return the names of the spaces that come with the package."""
    return sorted(path.stem for path in _space_folder().glob("*.toml"))


def _refuse_unknown(values: Mapping[str, Any], path: Path) -> None:
    """Raise SpaceError for a section or key that no space has; it suggests the nearest name."""
    sections: dict[str, type[BaseModel]] = {
        "search": SearchSection,
        "constraints": ConstraintsSection,
        "training": TrainingSection,
        "evaluation": EvaluationSection,
        "verdict": VerdictSection,
    }
    for section, content in values.items():
        if section not in sections:
            raise SpaceError(f"{path.name}: {unknown_name('section', section, sections)}")
        if not isinstance(content, Mapping):
            raise SpaceError(f"{path.name}: [{section}] must be a section of keys, found {content!r}")
        for key in content:
            if key not in sections[section].model_fields:
                raise SpaceError(f"{path.name}: [{section}] {unknown_name('key', key, sections[section].model_fields)}")


def _find_space(name_or_path: str) -> Path:
    path = Path(name_or_path).expanduser()
    if path.suffix == ".toml" or path.parent != Path():
        if not path.is_file():
            raise SpaceError(f"no search space at {path}; give a TOML file or one of: {', '.join(shipped_spaces())}")
        return path
    shipped = _space_folder() / f"{name_or_path}.toml"
    if not shipped.is_file():
        raise SpaceError(f"{unknown_name('search space', name_or_path, shipped_spaces())}; a file ends in .toml")
    return shipped


def _space_folder() -> Path:
    """Return `nas/search_spaces` of an installed wheel, or `search_spaces/` next to `nas/` in a checkout."""
    package = Path(str(resources.files("nas")))
    installed = package / "search_spaces"
    return installed if installed.is_dir() else package.parent / "search_spaces"

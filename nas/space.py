"""The search space: read from TOML, checked once, turned into an architecture by any object with suggest_*.

A dimension is a list of choices, a range `{ min, max, step | log }`, or one fixed value. The space is
flat and every combination is legal: heads come as head_dim and query_group_size (queries that share
one key/value head), hidden_dim must be a multiple of every head_dim, and a query group that does not
divide the number of heads is reduced to their greatest common divisor.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from nas.architecture import CHOICES, ArchitectureConfig, validation_line
from nas.errors import ArchitectureError, SpaceError, unknown_name

BYTES_VOCAB_SIZE = 256
MIN_STEPS = 20
"""Fewer training steps than this say nothing about an architecture."""


class Range(BaseModel):
    """A numeric range, both ends included. Whole numbers all through make it an integer range."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min: float
    max: float
    step: float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min:g} is greater than max {self.max:g}")
        if self.step is not None and (self.step <= 0 or self.log):
            raise ValueError("step must be positive and cannot go with log = true")
        if self.log and self.min <= 0:
            raise ValueError(f"log = true needs min > 0, found {self.min:g}")
        return self

    @property
    def is_integer(self) -> bool:
        return all(float(value).is_integer() for value in (self.min, self.max, self.step or 1)) and not self.log

    @property
    def last(self) -> float:
        """The greatest value that the steps reach; Optuna warns at every trial where it is not `max`."""
        return self.max if self.step is None else round(self.values()[-1], 12)

    def values(self) -> list[float]:
        """Every value of an integer or stepped range; both ends of a continuous one."""
        if not self.is_integer and self.step is None:
            return [self.min, self.max]
        step = self.step or 1
        return [self.min + index * step for index in range(math.floor((self.max - self.min) / step + 1e-9) + 1)]


Scalar = bool | int | float | str
Dimension = Scalar | tuple[Scalar, ...] | Range

_NUMBER = ("num_layers", "hidden_dim", "head_dim", "query_group_size", "ffn_multiplier", "dropout", "lr_multiplier")
_WHOLE = ("num_layers", "hidden_dim", "head_dim", "query_group_size")
_SWITCH = ("tie_embeddings", "qk_norm")


class SearchSection(BaseModel):
    """What is searched. Keys left out keep the fixed value that stands here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_layers: Dimension
    hidden_dim: Dimension
    vocab_size: Dimension
    """Byte-level BPE sizes; 256 is plain bytes, "char" is characters with byte fallback."""
    head_dim: Dimension = 32
    query_group_size: Dimension = 1
    ffn_multiplier: Dimension = 4.0
    activation: Dimension = "gelu"
    normalization: Dimension = "rmsnorm"
    position_encoding: Dimension = "rope"
    tie_embeddings: Dimension = False
    qk_norm: Dimension = False
    dropout: Dimension = 0.0
    """Sets attention_dropout and residual_dropout."""
    lr_multiplier: Dimension = 1.0
    """Times the learning rate that the rule gives for the size (nas.trial.recipe)."""

    @model_validator(mode="before")
    @classmethod
    def _read_dimensions(cls, values: Any) -> Any:
        return {key: _read_dimension(key, value) for key, value in dict(values).items()}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in _NUMBER:
            for value in choices_of(getattr(self, name)):
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                    raise ValueError(f"{name} holds numbers, found {value!r}")
                if name in _WHOLE and (not float(value).is_integer() or value < 1):
                    raise ValueError(f"{name} holds whole numbers of at least 1, found {value!r}")
                if name == "dropout" and not 0 <= value < 1:
                    raise ValueError(f"dropout is in [0, 1), found {value!r}")
                if name in ("ffn_multiplier", "lr_multiplier") and value <= 0:
                    raise ValueError(f"{name} must be positive, found {value!r}")
            dimension = getattr(self, name)
            if name in _WHOLE and isinstance(dimension, Range) and not dimension.is_integer:
                raise ValueError(f"{name} holds whole numbers: its range takes a whole step and no log = true")
        for name in _SWITCH:
            for value in choices_of(getattr(self, name)):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} is true or false, found {value!r}")
        for name, allowed in CHOICES.items():
            for value in choices_of(getattr(self, name)):
                if value not in allowed:
                    raise ValueError(unknown_name(name, str(value), allowed))
        if isinstance(self.vocab_size, Range):
            raise ValueError("vocab_size is a list of sizes, not a range: each is a tokenizer to train")
        for value in choices_of(self.vocab_size):
            vocabulary_name(value)
        self._check_shapes()
        return self

    def _check_shapes(self) -> None:
        """ValueError unless every combination can be built."""
        positions = choices_of(self.position_encoding)
        for hidden in choices_of(self.hidden_dim):
            for head in choices_of(self.head_dim):
                if int(hidden) % int(head):
                    raise ValueError(
                        f"hidden_dim {hidden:g} is not a multiple of head_dim {head:g}; every combination must be legal"
                    )
                if "rope" in positions and head % 2:
                    raise ValueError(f"rope needs an even head_dim, found {head:g}")
            if "sinusoidal" in positions and hidden % 2:
                raise ValueError(f"sinusoidal positions need an even hidden_dim, found {hidden:g}")
        ends = [choices_of(one) for one in (self.num_layers, self.hidden_dim, self.ffn_multiplier)]
        for layers, hidden, ffn in itertools.product(*({min(values), max(values)} for values in ends)):
            try:
                ArchitectureConfig.parse(
                    {
                        "num_layers": int(layers),
                        "hidden_dim": int(hidden),
                        "num_heads": 1,
                        "ffn_multiplier": float(ffn),
                        "position_encoding": "none",
                        "vocab_size": BYTES_VOCAB_SIZE,
                        "max_seq_length": 8,
                    }
                )
            except ArchitectureError as error:
                raise ValueError(str(error)) from None


class ConstraintsSection(BaseModel):
    """Limits known before training; an architecture over one of them is never trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_params: float | None = Field(default=None, gt=0)
    max_train_memory_gb: float | None = Field(default=None, gt=0)
    """By the estimate of ArchitectureConfig.train_memory_bytes."""
    max_train_flops_per_token: float | None = Field(default=None, gt=0)

    def excess(self, architecture: ArchitectureConfig, batch_tokens: int) -> dict[str, float]:
        """How far the architecture is over each limit, as a share of it; at most 0 means inside."""
        measured = {
            "max_params": architecture.num_params,
            "max_train_memory_gb": architecture.train_memory_bytes(batch_tokens) / 2**30,
            "max_train_flops_per_token": architecture.train_flops_per_token(),
        }
        limits = {name: getattr(self, name) for name in measured}
        return {name: measured[name] / limit - 1 for name, limit in limits.items() if limit is not None}


class TrainingSection(BaseModel):
    """What every trial gets, the same for all."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flops_per_trial: float = Field(gt=0)
    max_seq_length: int = Field(ge=8, le=1 << 16)
    batch_tokens: int = Field(ge=8)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch_tokens % self.max_seq_length:
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is not a multiple of max_seq_length {self.max_seq_length}"
            )
        return self

    def num_steps(self, architecture: ArchitectureConfig) -> int:
        """The training steps that flops_per_trial buys, rounded down."""
        flops_per_step = architecture.train_flops_per_token(self.max_seq_length) * self.batch_tokens
        return int(self.flops_per_trial // flops_per_step)


class EvaluationSection(BaseModel):
    """How a trained model is judged, on validation and, for the verdict, on the holdout."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    validation_bytes: int = Field(default=262_144, ge=1024)
    num_prompts: int = Field(default=128, ge=1)
    completion_bytes: int = Field(default=200, ge=8)
    collapse_weight: float = Field(default=1.0, ge=0)
    """Bits per byte that a collapse rate of 1 costs."""


@dataclass(frozen=True)
class Candidate:
    """One point of the space: the architecture, which vocabulary it reads, and its part of the recipe."""

    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float


class Suggests(Protocol):
    """What a space asks of its caller: an Optuna trial, a fixed one, or a random draw."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...


class SearchSpace(BaseModel):
    """A search space file: [search], [constraints], [training], [evaluation]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    search: SearchSection
    constraints: ConstraintsSection = ConstraintsSection()
    training: TrainingSection
    evaluation: EvaluationSection = EvaluationSection()

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
        """The longest prompt: with its completion it fits max_seq_length even where each byte is a token."""
        return min(256, self.training.max_seq_length - self.evaluation.completion_bytes)

    @property
    def vocabulary_names(self) -> list[str]:
        return [vocabulary_name(value) for value in choices_of(self.search.vocab_size)]

    @property
    def num_combinations(self) -> float:
        """How many architectures the space has at most; infinite when a dimension of them is continuous."""
        dimensions = [getattr(self.search, name) for name in SearchSection.model_fields if name != "lr_multiplier"]
        if any(isinstance(one, Range) and not one.is_integer and one.step is None for one in dimensions):
            return math.inf
        return float(math.prod(len(choices_of(one)) for one in dimensions))

    def excess(self, architecture: ArchitectureConfig) -> dict[str, float]:
        """How far the architecture is over each limit, as a share of it; it is legal when none is above 0.

        Beside [constraints]: flops_per_trial must buy at least MIN_STEPS training steps.
        """
        limits = self.constraints.excess(architecture, self.training.batch_tokens)
        return limits | {"flops_per_trial": MIN_STEPS / max(self.training.num_steps(architecture), 1e-9) - 1}

    def suggest(self, trial: Suggests, vocabulary_sizes: Mapping[str, int]) -> Candidate:
        """Ask `trial` for every dimension and build the candidate.

        `vocabulary_sizes` maps vocabulary names to the number of tokens they really have: a small
        corpus can end a BPE early, and the number of characters is the corpus's.
        """
        picked = {name: _suggest(trial, name, getattr(self.search, name)) for name in SearchSection.model_fields}
        vocabulary = vocabulary_name(picked["vocab_size"])
        num_heads = int(picked["hidden_dim"]) // int(picked["head_dim"])
        dropout = float(picked["dropout"])
        architecture = ArchitectureConfig.parse(
            {
                "num_layers": int(picked["num_layers"]),
                "hidden_dim": int(picked["hidden_dim"]),
                "num_heads": num_heads,
                "num_kv_heads": num_heads // math.gcd(num_heads, int(picked["query_group_size"])),
                "ffn_multiplier": float(picked["ffn_multiplier"]),
                "activation": picked["activation"],
                "normalization": picked["normalization"],
                "position_encoding": picked["position_encoding"],
                "attention_dropout": dropout,
                "residual_dropout": dropout,
                "vocab_size": vocabulary_sizes[vocabulary],
                "max_seq_length": self.training.max_seq_length,
                "tie_embeddings": picked["tie_embeddings"],
                "qk_norm": picked["qk_norm"],
            }
        )
        return Candidate(architecture, vocabulary, float(picked["lr_multiplier"]))


def load_space(name_or_path: str) -> SearchSpace:
    """Read a shipped space by name or any TOML file by path; SpaceError with one line if it cannot be used."""
    path = _find_space(name_or_path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpaceError(f"cannot read search space {path}: {error}") from None
    _refuse_unknown(values, path)
    try:
        return SearchSpace(name=path.stem, **values)
    except ValidationError as error:
        raise SpaceError(validation_line(error, path.name)) from None


def shipped_spaces() -> list[str]:
    return sorted(path.stem for path in _space_folder().glob("*.toml"))


def choices_of(dimension: Dimension) -> list[Any]:
    """The values of a dimension: a list's choices, a range's steps (its ends if continuous), or the fixed one."""
    if isinstance(dimension, Range):
        return dimension.values()
    return list(dimension) if isinstance(dimension, tuple) else [dimension]


def vocabulary_name(value: Any) -> str:
    """The vocabulary behind a vocab_size: 256 is `bytes`, "char" is `char`, N is `bpe-N`."""
    if value == "char":
        return "char"
    if isinstance(value, bool) or not isinstance(value, int) or not BYTES_VOCAB_SIZE <= value <= 65_536:
        raise ValueError(f'vocab_size is 256 (bytes) to 65536, or "char"; found {value!r}')
    return "bytes" if value == BYTES_VOCAB_SIZE else f"bpe-{value}"


def _suggest(trial: Suggests, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, tuple):
        return trial.suggest_categorical(name, dimension)
    if not isinstance(dimension, Range):
        return dimension
    if dimension.is_integer:
        return trial.suggest_int(name, int(dimension.min), int(dimension.last), step=int(dimension.step or 1))
    return trial.suggest_float(name, dimension.min, dimension.last, step=dimension.step, log=dimension.log)


_RANGE: TypeAdapter[Range] = TypeAdapter(Annotated[Range, Field()])


def _read_dimension(name: str, value: Any) -> Dimension:
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in Range.model_fields]
        if unknown:
            raise ValueError(f"{name}: {unknown_name('range key', unknown[0], Range.model_fields)}")
        if not {"min", "max"} <= value.keys():
            raise ValueError(f"{name}: a range needs min and max, found {sorted(value)}")
        try:
            return _RANGE.validate_python(value)
        except ValidationError as error:
            raise ValueError(validation_line(error, name)) from None
    if isinstance(value, list):
        if not value:
            raise ValueError(f"{name}: an empty list leaves nothing to choose")
        if len(set(map(repr, value))) < len(value):
            raise ValueError(f"{name}: a choice stands twice in {value}")
        nested = [one for one in value if not isinstance(one, Scalar)]
        if nested:
            raise ValueError(f"{name}: a list holds numbers, names or true and false, found {nested[0]!r}")
        return tuple(value)
    if not isinstance(value, Scalar):
        raise ValueError(f"{name}: expected a value, a list or a range, found {value!r}")
    return value


def _refuse_unknown(values: Mapping[str, Any], path: Path) -> None:
    """SpaceError for a section or key that no space has, with the nearest name."""
    sections: dict[str, type[BaseModel]] = {
        "search": SearchSection,
        "constraints": ConstraintsSection,
        "training": TrainingSection,
        "evaluation": EvaluationSection,
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
    """`nas/search_spaces` of an installed wheel, or `search_spaces/` beside `nas/` in a checkout."""
    package = Path(str(resources.files("nas")))
    installed = package / "search_spaces"
    return installed if installed.is_dir() else package.parent / "search_spaces"

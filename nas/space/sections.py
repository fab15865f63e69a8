"""The sections of a search space file, each checked when it is read.

Every combination of a [search] section is legal: heads come as head_dim and query_group_size (queries that
share one key/value head), hidden_dim must be a multiple of every head_dim, and a query group that does not
divide the number of heads is reduced to their greatest common divisor.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.architecture.config import CHOICES, ArchitectureConfig
from nas.architecture.transformers_class import Traits, is_exportable
from nas.errors import ArchitectureError, unknown_name
from nas.space.dimension import Dimension, Range, choices_of, read_dimension

BYTES_VOCAB_SIZE = 256
MAX_PROMPT_BYTES = 256
_NUMBER = ("num_layers", "hidden_dim", "head_dim", "query_group_size", "ffn_multiplier", "dropout", "lr_multiplier")
_WHOLE = ("num_layers", "hidden_dim", "head_dim", "query_group_size")
_SWITCH = ("tie_embeddings", "qk_norm")


class SearchSection(BaseModel):
    """The searched dimensions; a key that is left out keeps its default as a fixed value."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    num_layers: Dimension
    """Transformer blocks."""
    hidden_dim: Dimension
    """Width of the residual stream; a multiple of every head_dim."""
    vocab_size: Dimension
    """Byte-level BPE sizes; 256 is plain bytes, "char" is characters with byte fallback, "gpt2" is GPT-2's BPE."""
    head_dim: Dimension = 32
    """Width of an attention head; hidden_dim / head_dim heads."""
    query_group_size: Dimension = 1
    """Query heads that share one key/value head."""
    ffn_multiplier: Dimension = 4.0
    """Feed-forward width over hidden_dim; a gated activation has three such matrices, others two."""
    activation: Dimension = "gelu"
    """"gelu", "silu", "relu2", or gated: "geglu", "swiglu"."""
    normalization: Dimension = "rmsnorm"
    """"rmsnorm" or "layernorm"."""
    position_encoding: Dimension = "rope"
    """"rope", "learned", "sinusoidal", "alibi" or "none"."""
    tie_embeddings: Dimension = False
    """Whether the output matrix is the embedding."""
    qk_norm: Dimension = False
    """Whether queries and keys are normalised in each head."""
    dropout: Dimension = 0.0
    """Used for both attention_dropout and residual_dropout."""
    lr_multiplier: Dimension = 1.0
    """Multiplies the learning rate that the recipe's rule gives for the width (nas.training.recipe)."""

    @model_validator(mode="before")
    @classmethod
    def _read_dimensions(cls, values: Any) -> Any:
        return {key: read_dimension(key, value) for key, value in dict(values).items()}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in _NUMBER:
            for value in choices_of(getattr(self, name)):
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                    raise ValueError(f"{name} holds numbers; found {value!r}")
                if name in _WHOLE and (not float(value).is_integer() or value < 1):
                    raise ValueError(f"{name} holds whole numbers of at least 1; found {value!r}")
                if name == "dropout" and not 0 <= value < 1:
                    raise ValueError(f"dropout must be in [0, 1), found {value!r}")
                if name in ("ffn_multiplier", "lr_multiplier") and value <= 0:
                    raise ValueError(f"{name} must be positive, found {value!r}")
            dimension = getattr(self, name)
            if name in _WHOLE and isinstance(dimension, Range) and not dimension.is_integer:
                raise ValueError(f"{name} holds whole numbers: its range needs whole numbers and no log = true")
        for name in _SWITCH:
            for value in choices_of(getattr(self, name)):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} is true or false; found {value!r}")
        for name, allowed in CHOICES.items():
            for value in choices_of(getattr(self, name)):
                if value not in allowed:
                    raise ValueError(unknown_name(name, str(value), allowed))
        if isinstance(self.vocab_size, Range):
            raise ValueError("vocab_size is a list of sizes, not a range: a tokenizer is trained for each size")
        for value in choices_of(self.vocab_size):
            vocabulary_name(value)
        self._check_shapes()
        return self

    def _check_shapes(self) -> None:
        """Raise ValueError unless every combination can be built."""
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
        ends = [choices_of(dimension) for dimension in (self.num_layers, self.hidden_dim, self.ffn_multiplier)]
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
    """Limits; an architecture over a limit that is known before training is never trained.

    Limits on what the clock or the machine measures (decoding, peak memory) make reruns of a study differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    max_params: float | None = Field(default=None, gt=0)
    """All parameters, embeddings included."""
    max_train_memory_gb: float | None = Field(default=None, gt=0)
    """Compared with the estimate of ArchitectureConfig.train_memory_bytes."""
    max_train_flops_per_token: float | None = Field(default=None, gt=0)
    """Training FLOPs of a token, by formula."""
    max_collapse_rate: float | None = Field(default=None, gt=0)
    """Compared with the collapse rate at the top rung."""
    max_decode_ms_per_token: float | None = Field(default=None, gt=0)
    """Compared with the measured Measured.decode_ms_per_token."""
    max_peak_memory_gb: float | None = Field(default=None, gt=0)
    """Compared with the measured Measured.peak_memory_bytes."""
    exportable: bool | None = None
    """True allows only what `nas.export --to hf` can write. False is stored as None: the study is the same."""

    @field_validator("exportable")
    @classmethod
    def _no_is_none(cls, value: bool | None) -> bool | None:
        return value or None

    def excess(self, architecture: ArchitectureConfig, batch_tokens: int) -> dict[str, float]:
        """Return how far the architecture exceeds each limit, as a share of it; at most 0 is inside the limit.

        `not_exportable` is 1 for an architecture that no class of transformers represents.
        """
        measured = {
            "max_params": architecture.num_params,
            "max_train_memory_gb": architecture.train_memory_bytes(batch_tokens) / 2**30,
            "max_train_flops_per_token": architecture.train_flops_per_token(),
        }
        limits = {name: getattr(self, name) for name in measured}
        over = {name: measured[name] / limit - 1 for name, limit in limits.items() if limit is not None}
        if self.exportable:
            over["not_exportable"] = float(not is_exportable(Traits.from_architecture(architecture)))
        return over

    @property
    def measured_limits(self) -> tuple[str, ...]:
        """The names of the limits that are set and can be checked only after training."""
        names = ("max_collapse_rate", "max_decode_ms_per_token", "max_peak_memory_gb")
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def reruns_differ(self) -> bool:
        """Whether a limit is on what a clock or a machine measures."""
        return self.max_decode_ms_per_token is not None or self.max_peak_memory_gb is not None

    def measured_excess(
        self,
        *,
        collapse_rate: float | None,
        decode_ms_per_token: float | None,
        peak_memory_bytes: float | None,
    ) -> dict[str, float]:
        """Return how far a trained architecture is over each measured limit, as a share of the limit.

        A figure that is not known is None and skipped. Pass no `collapse_rate` below the top rung: there it says
        little about its final value.
        """
        measured = {
            "max_collapse_rate": collapse_rate,
            "max_decode_ms_per_token": decode_ms_per_token,
            "max_peak_memory_gb": None if peak_memory_bytes is None else peak_memory_bytes / 2**30,
        }
        limits = {name: getattr(self, name) for name in measured}
        return {
            name: value / limits[name] - 1
            for name, value in measured.items()
            if value is not None and limits[name] is not None
        }


class TrainingSection(BaseModel):
    """How every trial is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    trial_flops: float = Field(gt=0)
    """Training FLOPs of a trial that reaches the top rung."""
    num_rungs: int = Field(default=1, ge=1, le=8)
    """Budgets at which a trial is evaluated and may be stopped; with one, every trial is trained to the end."""
    rung_factor: float = Field(default=3.0, ge=1.5)
    """FLOPs of a rung divided by those of the rung below."""
    max_seq_length: int = Field(ge=8, le=1 << 16)
    """Tokens of a training sequence, and the most that a model reads."""
    batch_tokens: int = Field(ge=8)
    """Tokens of a training step; a multiple of max_seq_length."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch_tokens % self.max_seq_length:
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is not a multiple of max_seq_length {self.max_seq_length}"
            )
        return self

    def prompt_bytes(self, completion_bytes: int) -> int:
        """Return the longest prompt that fits max_seq_length with its completion even if each byte is a token."""
        return min(MAX_PROMPT_BYTES, self.max_seq_length - completion_bytes)

    @property
    def rung_flops(self) -> tuple[float, ...]:
        """Training FLOPs of each rung, the lowest first; the last is trial_flops."""
        return tuple(self.trial_flops / self.rung_factor**below for below in reversed(range(self.num_rungs)))

    def num_steps(self, architecture: ArchitectureConfig, rung: int = -1) -> int:
        """Return the training steps that a rung's FLOPs buy, rounded down; by default the top rung's."""
        flops_per_step = architecture.train_flops_per_token(self.max_seq_length) * self.batch_tokens
        return int(self.rung_flops[rung] // flops_per_step)


class EvaluationSection(BaseModel):
    """How a trained model is evaluated, on validation and, for the verdict, on the holdout."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    validation_bytes: int = Field(default=524_288, ge=1024)
    """Bytes of validation that a trial is evaluated on, at most; whole documents."""
    num_prompts: int = Field(default=128, ge=1)
    """Prompts that a trial completes, cut from real code; the same for every trial."""
    completion_bytes: int = Field(default=200, ge=8)
    """Bytes of each completion, at most."""
    collapse_weight: float = Field(default=0.25, ge=0)
    """Bits per byte that a collapse rate of 1 costs."""


class VerdictSection(BaseModel):
    """How a search ends: finalists and references are trained again with fresh seeds, and evaluated on the holdout."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    num_finalists: int = Field(default=3, ge=1)
    """How many of the best by validation fitness; the references are added to them."""
    num_seeds: int = Field(default=3, ge=1)
    """Trainings of each finalist; one alone cannot tell a difference from chance."""
    num_prompts: int = Field(default=1024, ge=1)
    """At most as many as the holdout has."""


def vocabulary_name(value: Any) -> str:
    """Return the vocabulary's name for a vocab_size: `bytes` for 256, `bpe-N` for N, or "char" or "gpt2" itself."""
    if value in ("char", "gpt2"):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int) or not BYTES_VOCAB_SIZE <= value <= 65_536:
        raise ValueError(f'vocab_size is 256 (bytes) to 65536, "char" or "gpt2"; found {value!r}')
    return "bytes" if value == BYTES_VOCAB_SIZE else f"bpe-{value}"

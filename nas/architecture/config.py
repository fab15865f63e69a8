"""One architecture as plain data: its legal values, its JSON, its id, and its costs by formula.

This module imports no torch: a search must be able to check a million candidates without building one.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nas.errors import ArchitectureError, unknown_name, validation_message

Activation = Literal["gelu", "silu", "relu2", "geglu", "swiglu"]
Normalization = Literal["layernorm", "rmsnorm"]
PositionEncoding = Literal["rope", "learned", "sinusoidal", "alibi", "none"]

GATED_ACTIVATIONS = frozenset({"geglu", "swiglu"})
POSITION_ALIASES = {"absolute": "sinusoidal"}
# Keys of the origin's JSON for features that this engine does not have: accepted and ignored with a warning.
IGNORED_KEYS = ("quantization", "pruning_ratio", "model_type")
_SHIPPED = Path(__file__).with_name("shipped")


class ArchitectureConfig(BaseModel):
    """A decoder-only transformer, frozen and validated once; `model_copy(update=...)` makes checked variants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch_type: Literal["transformer"] = "transformer"
    num_layers: int = Field(ge=1, le=1024)
    hidden_dim: int = Field(ge=2, le=65536)
    num_heads: int = Field(ge=1)
    num_kv_heads: int = Field(default=0, ge=0)
    """Key and value heads; 0 in the input means as many as num_heads (no grouping)."""
    ffn_multiplier: float = Field(gt=0, le=64)
    """Width of the feed-forward layer divided by hidden_dim; a gated layer has three such matrices instead of two."""
    activation: Activation = "gelu"
    normalization: Normalization = "rmsnorm"
    position_encoding: PositionEncoding = "rope"
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)
    vocab_size: int = Field(ge=2, le=1 << 20)
    max_seq_length: int = Field(ge=2, le=1 << 20)
    tie_embeddings: bool = False
    qk_norm: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = dict(values)
        for key in ("num_layers", "hidden_dim", "num_heads", "num_kv_heads", "vocab_size", "max_seq_length"):
            if filled.get(key) is not None and (isinstance(filled[key], bool) or not isinstance(filled[key], int)):
                raise ValueError(f"{key} must be a whole number, found {filled[key]!r}")
        if not filled.get("num_kv_heads"):
            filled["num_kv_heads"] = filled.get("num_heads", 1)
        position = filled.get("position_encoding")
        if isinstance(position, str):
            filled["position_encoding"] = POSITION_ALIASES.get(position, position)
        return filled

    @model_validator(mode="after")
    def _check_shapes(self) -> Self:
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim {self.hidden_dim} is not divisible by num_heads {self.num_heads}; "
                f"choose num_heads among {_divisors(self.hidden_dim)}"
            )
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not divisible by num_kv_heads {self.num_kv_heads}; "
                f"choose num_kv_heads among {_divisors(self.num_heads)}"
            )
        if self.position_encoding == "rope" and self.head_dim % 2:
            raise ValueError(
                f"rope needs an even head dimension (hidden_dim / num_heads), found {self.head_dim}; "
                "choose other num_heads or another position_encoding"
            )
        if self.position_encoding == "sinusoidal" and self.hidden_dim % 2:
            raise ValueError(
                f"sinusoidal positions need an even hidden_dim, found {self.hidden_dim}; "
                "choose an even one or another position_encoding"
            )
        if self.ffn_dim < 1:
            raise ValueError(
                f"ffn_multiplier {self.ffn_multiplier} gives a feed-forward width of 0; "
                f"choose at least {1 / self.hidden_dim:.3g}"
            )
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a checked variant; without grouping, num_kv_heads follows a new num_heads.

        `deep` has no effect, as all values are immutable. Raises ArchitectureError like `parse`.
        """
        values = self.model_dump() | dict(update or {})
        if self.num_kv_heads == self.num_heads and "num_kv_heads" not in (update or {}):
            values["num_kv_heads"] = values["num_heads"]
        return self.parse(values)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build an architecture from a mapping of keys; raise ArchitectureError with one line if it is not legal."""
        known = dict(values)
        for key in IGNORED_KEYS:
            if key in known:
                warnings.warn(f"'{key}' in the architecture is ignored: this engine does not support it", stacklevel=2)
                known.pop(key)
        for key in known:
            if key not in cls.model_fields:
                raise ArchitectureError(unknown_name("architecture key", key, cls.model_fields))
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            raise ArchitectureError(validation_message(error, "architecture")) from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an arch JSON: ours or the origin's, with the keys at the top or under `architecture`.

        `path` is a file or the name of a shipped architecture. Raises ArchitectureError if it cannot be used.
        """
        values = read_arch_json(path)
        nested = values.get("architecture", values)
        if not isinstance(nested, Mapping):
            raise ArchitectureError(f"{path}: 'architecture' must be an object of keys, found {type(nested).__name__}")
        try:
            return cls.parse(nested)
        except ArchitectureError as error:
            raise ArchitectureError(f"{path}: {error}") from None

    @property
    def head_dim(self) -> int:
        return self.hidden_dim // self.num_heads

    @property
    def kv_dim(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def ffn_dim(self) -> int:
        return round(self.ffn_multiplier * self.hidden_dim)

    @property
    def is_gated(self) -> bool:
        return self.activation in GATED_ACTIVATIONS

    @property
    def matmul_params_per_layer(self) -> int:
        """Weights of one layer in matrix products: query, key, value, output and feed-forward."""
        attention = 2 * self.hidden_dim * self.hidden_dim + 2 * self.hidden_dim * self.kv_dim
        feed_forward = (3 if self.is_gated else 2) * self.hidden_dim * self.ffn_dim
        return attention + feed_forward

    @property
    def non_embedding_params(self) -> int:
        """All parameters except token embeddings, learned positions and the output head."""
        norm = self.hidden_dim * (2 if self.normalization == "layernorm" else 1)
        qk = 2 * self.head_dim if self.qk_norm else 0
        return self.num_layers * (self.matmul_params_per_layer + 2 * norm + qk) + norm

    @property
    def num_params(self) -> int:
        """All trained parameters; a tied output head is counted once."""
        token_matrices = 1 if self.tie_embeddings else 2
        positions = self.max_seq_length * self.hidden_dim if self.position_encoding == "learned" else 0
        return self.non_embedding_params + token_matrices * self.vocab_size * self.hidden_dim + positions

    def forward_flops_per_token(self, seq_length: int | None = None) -> int:
        """Return the FLOPs of one token's forward pass in a sequence of `seq_length` (default max_seq_length).

        The sum has two FLOPs per weight of every matrix product, output head included, and 4 x T x H per layer for
        the two attention products. These are counted over the full square as flop counters do, although half of it
        is masked. Norms, activations and softmax are left out (Kaplan et al. 2020, section 2.1).
        """
        length = seq_length or self.max_seq_length
        matmuls = self.num_layers * self.matmul_params_per_layer + self.vocab_size * self.hidden_dim
        return 2 * matmuls + 4 * self.num_layers * length * self.hidden_dim

    def train_flops_per_token(self, seq_length: int | None = None) -> int:
        """Return the FLOPs of one token's forward and backward pass, 3 x forward (Kaplan et al. 2020)."""
        return 3 * self.forward_flops_per_token(seq_length)

    def train_memory_bytes(self, batch_tokens: int) -> int:
        """Estimate training memory in fp32: weights, gradients, two AdamW moments, activations.

        Activations per token and layer are about 8 H + 3 query/key/value rows + 2 feed-forward rows (3 if gated);
        three copies of the logits come on top. Allocator slack and the runtime are not counted.
        """
        per_layer = 8 * self.hidden_dim + 2 * self.kv_dim + (3 if self.is_gated else 2) * self.ffn_dim
        activations = batch_tokens * (self.num_layers * per_layer + 3 * self.vocab_size)
        return 16 * self.num_params + 4 * activations

    @property
    def id(self) -> str:
        """Ten hex digits of the SHA-256 of the canonical JSON: equal architectures have equal ids."""
        canonical = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    def describe(self) -> str:
        """Describe the architecture in a few words, such as `L4 H256 V1024 swiglu x3 rmsnorm rope 8/2 heads tied`."""
        heads = f"{self.num_heads}" if self.num_kv_heads == self.num_heads else f"{self.num_heads}/{self.num_kv_heads}"
        words = [
            f"L{self.num_layers} H{self.hidden_dim} V{self.vocab_size}",
            f"{self.activation} x{self.ffn_multiplier:g}",
            self.normalization,
            self.position_encoding if self.position_encoding != "none" else "no-position",
            f"{heads} heads",
        ]
        words += ["tied"] if self.tie_embeddings else []
        words += ["qk-norm"] if self.qk_norm else []
        dropout = max(self.attention_dropout, self.residual_dropout)
        words += [f"dropout {dropout:g}"] if dropout else []
        return " ".join(words)


CHOICES: dict[str, tuple[str, ...]] = {
    "activation": get_args(Activation),
    "normalization": get_args(Normalization),
    "position_encoding": get_args(PositionEncoding),
}
"""The legal values of each key that is a choice among names."""


def arch_json_path(given: str | Path) -> Path:
    """Return the file that `given` names: a path, or a shipped architecture such as `origin-a`."""
    shipped = _SHIPPED / f"{given}.json"
    return shipped if not Path(given).exists() and str(given) in shipped_architectures() else Path(given)


def shipped_architectures() -> list[str]:
    return sorted(path.stem for path in _SHIPPED.glob("*.json"))


def read_arch_json(path: str | Path) -> dict[str, Any]:
    """Read the object in an arch JSON, a file or a shipped one; raise ArchitectureError if there is none."""
    path = arch_json_path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ArchitectureError(
            f"cannot read arch JSON {path}: {getattr(error, 'strerror', None) or error}; "
            f"give a file or one of {', '.join(shipped_architectures())}"
        ) from None
    except json.JSONDecodeError as error:
        raise ArchitectureError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ArchitectureError(f"{path}: an arch JSON must be an object of keys, found {type(values).__name__}")
    return values


def _divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]

"""The class of the transformers library that represents an architecture exactly, if there is one.

Exactly means the same logits from the same weights, which are only renamed, transposed, or padded with zeros where we
have no bias. No class is imported here; tests/export/ proves each one by its logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self, get_args

from nas.architecture.config import GATED_ACTIVATIONS, Activation, ArchitectureConfig
from nas.errors import ArchitectureError

MULTI_HEAD, MULTI_QUERY, GROUPED_QUERY = "as many as num_heads", "1", "between"
"""The kinds of attention by their key and value heads: one per query head, one for all, one per group."""
_ANY_KIND = (MULTI_HEAD, MULTI_QUERY, GROUPED_QUERY)
_UNGATED = tuple(activation for activation in get_args(Activation) if activation not in GATED_ACTIVATIONS)
_GATED = tuple(activation for activation in get_args(Activation) if activation in GATED_ACTIVATIONS)
# Fixed positions are exported as a table of learned ones; no positions are exported as a table of zeros.
_POSITION_TABLE = ("learned", "sinusoidal", "none")


@dataclass(frozen=True)
class Traits:
    """The properties that decide the class; every class supports the others, such as depth and tied embeddings."""

    normalization: str
    position_encoding: str
    activation: str
    qk_norm: bool
    num_kv_heads: str
    """MULTI_HEAD, MULTI_QUERY or GROUPED_QUERY."""

    @classmethod
    def from_architecture(cls, architecture: ArchitectureConfig) -> Self:
        """Return the traits of an architecture."""
        return cls(
            normalization=architecture.normalization,
            position_encoding=architecture.position_encoding,
            activation=architecture.activation,
            qk_norm=architecture.qk_norm,
            num_kv_heads=kv_heads_kind(architecture.num_heads, architecture.num_kv_heads),
        )


@dataclass(frozen=True)
class TransformersClass:
    """A class of transformers, and the values that it supports for each trait."""

    name: str
    model_type: str
    """Name of its configuration in transformers."""
    normalization: tuple[str, ...]
    position_encoding: tuple[str, ...]
    activation: tuple[str, ...]
    qk_norm: tuple[bool, ...] = (False,)
    num_kv_heads: tuple[str, ...] = _ANY_KIND

    def missing(self, traits: Traits) -> tuple[str, ...]:
        """Return the names of the traits that the class does not support."""
        return tuple(key for key in _KEYS if getattr(traits, key) not in getattr(self, key))


_KEYS = tuple(field.name for field in fields(Traits))

CLASSES = (
    TransformersClass("LlamaForCausalLM", "llama", ("rmsnorm",), ("rope",), _GATED),
    TransformersClass("Qwen3ForCausalLM", "qwen3", ("rmsnorm",), ("rope",), _GATED, qk_norm=(True,)),
    TransformersClass("ArceeForCausalLM", "arcee", ("rmsnorm",), ("rope",), _UNGATED),
    TransformersClass("ApertusForCausalLM", "apertus", ("rmsnorm",), ("rope",), _UNGATED, qk_norm=(True,)),
    TransformersClass("SmolLM3ForCausalLM", "smollm3", ("rmsnorm",), ("none",), _GATED),
    TransformersClass("Starcoder2ForCausalLM", "starcoder2", ("layernorm",), ("rope",), _UNGATED),
    TransformersClass("StableLmForCausalLM", "stablelm", ("layernorm",), ("rope",), _GATED),
    TransformersClass("GPT2LMHeadModel", "gpt2", ("layernorm",), _POSITION_TABLE, _UNGATED, num_kv_heads=(MULTI_HEAD,)),
    TransformersClass(
        "GPTBigCodeForCausalLM", "gpt_bigcode", ("layernorm",), _POSITION_TABLE, _UNGATED, num_kv_heads=(MULTI_QUERY,)
    ),
)
# The architecture that GGUF files call llama: its feed-forward layer is gated by SiLU only.
_GGUF_LLAMA = (TransformersClass("llama", "llama", ("rmsnorm",), ("rope",), ("swiglu",)),)


_NO_CLASS = "no class of transformers represents"


def transformers_class(architecture: ArchitectureConfig) -> TransformersClass:
    """Return the class that represents an architecture; raise ArchitectureError with the nearest changes if none."""
    return _matching(CLASSES, Traits.from_architecture(architecture), _NO_CLASS)


def check_gguf(architecture: ArchitectureConfig) -> None:
    """Raise ArchitectureError unless the llama of GGUF files represents the architecture."""
    _matching(_GGUF_LLAMA, Traits.from_architecture(architecture), "the llama of GGUF files does not represent")


def is_exportable(traits: Traits) -> bool:
    """Return whether a class of transformers represents these traits."""
    return any(not candidate.missing(traits) for candidate in CLASSES)


def kv_heads_kind(num_heads: int, num_kv_heads: int) -> str:
    """Return MULTI_HEAD, MULTI_QUERY or GROUPED_QUERY."""
    return MULTI_HEAD if num_kv_heads == num_heads else MULTI_QUERY if num_kv_heads == 1 else GROUPED_QUERY


def no_class_message(points: Iterable[Traits]) -> str:
    """Return why no class represents any of `points`, explained for the point that needs the fewest changes."""
    nearest = min(points, key=lambda traits: len(_nearest(CLASSES, traits)[0].missing(traits)))
    return _message(CLASSES, nearest, _NO_CLASS)


def _matching(classes: Sequence[TransformersClass], traits: Traits, beginning: str) -> TransformersClass:
    nearest = _nearest(classes, traits)
    if nearest[0].missing(traits):
        raise ArchitectureError(_message(classes, traits, beginning))
    return nearest[0]


def _nearest(classes: Sequence[TransformersClass], traits: Traits) -> list[TransformersClass]:
    """Return the classes that lack the fewest traits."""
    fewest = min(len(candidate.missing(traits)) for candidate in classes)
    return [candidate for candidate in classes if len(candidate.missing(traits)) == fewest]


def _message(classes: Sequence[TransformersClass], traits: Traits, beginning: str) -> str:
    changes = dict.fromkeys(_changes(candidate, traits) for candidate in _nearest(classes, traits))
    return f"{beginning} {_describe(traits)} exactly; use {', or '.join(changes)}"


def _describe(traits: Traits) -> str:
    grouped = " with grouped queries" if traits.num_kv_heads != MULTI_HEAD else ""
    position = traits.position_encoding if traits.position_encoding != "none" else "no position"
    return f"{traits.activation} {traits.normalization} {position}{' qk-norm' if traits.qk_norm else ''}{grouped}"


def _changes(target: TransformersClass, traits: Traits) -> str:
    """Return the keys to change, with the values that each may take."""
    changes = []
    for key in target.missing(traits):
        values = [str(value).lower() if isinstance(value, bool) else str(value) for value in getattr(target, key)]
        changes.append(f"{key} {' or '.join(values)}")
    return " and ".join(changes)

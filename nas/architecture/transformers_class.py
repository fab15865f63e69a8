"""Which class of the transformers library represents an architecture exactly, and why none does.

Exactly: the same logits from the same weights, only renamed, transposed or with zeros where we have no bias. No class
is imported here; tests/release/ proves each one by its logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self, get_args

from nas.architecture.config import GATED_ACTIVATIONS, Activation, ArchitectureConfig
from nas.errors import ArchitectureError

EACH, ONE, SOME = "as many as num_heads", "1", "between"
"""Key and value heads: one for each query head, one for all, one for a group."""
_ANY_GROUPS = (EACH, ONE, SOME)
_UNGATED = tuple(one for one in get_args(Activation) if one not in GATED_ACTIVATIONS)
_GATED = tuple(one for one in get_args(Activation) if one in GATED_ACTIVATIONS)
# A table of fixed positions is written as learned ones, zeros where there are none.
_BY_TABLE = ("learned", "sinusoidal", "none")


@dataclass(frozen=True)
class Traits:
    """What decides the class; all else, such as depth, width and tied embeddings, every class has."""

    normalization: str
    position_encoding: str
    activation: str
    qk_norm: bool
    num_kv_heads: str
    """EACH, ONE or SOME."""

    @classmethod
    def of(cls, architecture: ArchitectureConfig) -> Self:
        return cls(
            normalization=architecture.normalization,
            position_encoding=architecture.position_encoding,
            activation=architecture.activation,
            qk_norm=architecture.qk_norm,
            num_kv_heads=kv_heads_kind(architecture.num_heads, architecture.num_kv_heads),
        )


@dataclass(frozen=True)
class TransformersClass:
    """A class, and the values of each trait that it has."""

    name: str
    model_type: str
    """What transformers calls its configuration."""
    normalization: tuple[str, ...]
    position_encoding: tuple[str, ...]
    activation: tuple[str, ...]
    qk_norm: tuple[bool, ...] = (False,)
    num_kv_heads: tuple[str, ...] = _ANY_GROUPS

    def missing(self, traits: Traits) -> tuple[str, ...]:
        """The traits that it does not have."""
        return tuple(key for key in _KEYS if getattr(traits, key) not in getattr(self, key))


_KEYS = tuple(one.name for one in fields(Traits))

CLASSES = (
    TransformersClass("LlamaForCausalLM", "llama", ("rmsnorm",), ("rope",), _GATED),
    TransformersClass("Qwen3ForCausalLM", "qwen3", ("rmsnorm",), ("rope",), _GATED, qk_norm=(True,)),
    TransformersClass("ArceeForCausalLM", "arcee", ("rmsnorm",), ("rope",), _UNGATED),
    TransformersClass("ApertusForCausalLM", "apertus", ("rmsnorm",), ("rope",), _UNGATED, qk_norm=(True,)),
    TransformersClass("SmolLM3ForCausalLM", "smollm3", ("rmsnorm",), ("none",), _GATED),
    TransformersClass("Starcoder2ForCausalLM", "starcoder2", ("layernorm",), ("rope",), _UNGATED),
    TransformersClass("StableLmForCausalLM", "stablelm", ("layernorm",), ("rope",), _GATED),
    TransformersClass("GPT2LMHeadModel", "gpt2", ("layernorm",), _BY_TABLE, _UNGATED, num_kv_heads=(EACH,)),
    TransformersClass("GPTBigCodeForCausalLM", "gpt_bigcode", ("layernorm",), _BY_TABLE, _UNGATED, num_kv_heads=(ONE,)),
)
# The architecture that GGUF files call llama: its feed-forward is gated by SiLU and by nothing else.
_GGUF_LLAMA = (TransformersClass("llama", "llama", ("rmsnorm",), ("rope",), ("swiglu",)),)


_NO_CLASS = "no class of transformers represents"


def transformers_class(architecture: ArchitectureConfig) -> TransformersClass:
    """The class that represents it; ArchitectureError with what would do where none does."""
    return _only(CLASSES, Traits.of(architecture), _NO_CLASS)


def check_gguf(architecture: ArchitectureConfig) -> None:
    """ArchitectureError with what would do unless the llama of GGUF files represents it."""
    _only(_GGUF_LLAMA, Traits.of(architecture), "the llama of GGUF files does not represent")


def is_exportable(traits: Traits) -> bool:
    return any(not one.missing(traits) for one in CLASSES)


def kv_heads_kind(num_heads: int, num_kv_heads: int) -> str:
    return EACH if num_kv_heads == num_heads else ONE if num_kv_heads == 1 else SOME


def nearest_refusal(points: Iterable[Traits]) -> str:
    """Why no class represents any of `points`, by the one that lacks least."""
    return _refusal(CLASSES, min(points, key=lambda one: len(_nearest(CLASSES, one)[0].missing(one))), _NO_CLASS)


def _only(classes: Sequence[TransformersClass], traits: Traits, refusal: str) -> TransformersClass:
    nearest = _nearest(classes, traits)
    if nearest[0].missing(traits):
        raise ArchitectureError(_refusal(classes, traits, refusal))
    return nearest[0]


def _nearest(classes: Sequence[TransformersClass], traits: Traits) -> list[TransformersClass]:
    """The classes that lack fewest of the traits."""
    fewest = min(len(one.missing(traits)) for one in classes)
    return [one for one in classes if len(one.missing(traits)) == fewest]


def _refusal(classes: Sequence[TransformersClass], traits: Traits, refusal: str) -> str:
    ways = list(dict.fromkeys(_way(one, traits) for one in _nearest(classes, traits)))
    return f"{refusal} {_said(traits)} exactly; what would do: {', or '.join(ways)}"


def _said(traits: Traits) -> str:
    grouped = " with grouped queries" if traits.num_kv_heads != EACH else ""
    position = traits.position_encoding if traits.position_encoding != "none" else "no position"
    return f"{traits.activation} {traits.normalization} {position}{' qk-norm' if traits.qk_norm else ''}{grouped}"


def _way(wanted: TransformersClass, traits: Traits) -> str:
    """The keys to change, with the values that each may take."""
    changes = []
    for key in wanted.missing(traits):
        values = [str(one).lower() if isinstance(one, bool) else str(one) for one in getattr(wanted, key)]
        changes.append(f"{key} {' or '.join(values)}")
    return " and ".join(changes)

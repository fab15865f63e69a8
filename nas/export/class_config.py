"""The config.json of a transformers class: its names for the choices of an architecture."""

from __future__ import annotations

from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import TransformersClass
from nas.model.normalization import EPSILON
from nas.model.positions import ROPE_BASE

# The decoder has the exact GELU, which transformers calls gelu; gelu_new and gelu_pytorch_tanh are approximations.
_FUNCTIONS = {"gelu": "gelu", "silu": "silu", "relu2": "relu2", "geglu": "gelu", "swiglu": "silu"}


def class_config(architecture: ArchitectureConfig, chosen: TransformersClass, eot_id: int) -> dict[str, Any]:
    """Return all values that determine the logits, and the dropout of training if the class has it."""
    common = {
        "architectures": [chosen.name],
        "model_type": chosen.model_type,
        "vocab_size": architecture.vocab_size,
        "tie_word_embeddings": architecture.tie_embeddings,
        "bos_token_id": eot_id,
        "eos_token_id": eot_id,
        # There is no padding token: the class would not train the embedding of one.
        "pad_token_id": None,
        # transformers 4 reads the second key.
        "dtype": "float32",
        "torch_dtype": "float32",
        "use_cache": True,
    }
    if chosen.model_type in ("gpt2", "gpt_bigcode"):
        return common | _gpt2(architecture, chosen)
    return common | _llama(architecture) | _OWN_KEYS[chosen.model_type](architecture)


def _llama(architecture: ArchitectureConfig) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": ROPE_BASE}
    return {
        "hidden_size": architecture.hidden_dim,
        "intermediate_size": architecture.ffn_dim,
        "num_hidden_layers": architecture.num_layers,
        "num_attention_heads": architecture.num_heads,
        "num_key_value_heads": architecture.num_kv_heads,
        "head_dim": architecture.head_dim,
        "hidden_act": _FUNCTIONS[architecture.activation],
        "max_position_embeddings": architecture.max_seq_length,
        # transformers 4 reads the first key, 5 the second.
        "rope_theta": ROPE_BASE,
        "rope_parameters": rope,
        "attention_dropout": architecture.attention_dropout,
    }


def _rms_norm(architecture: ArchitectureConfig) -> dict[str, Any]:
    return {"rms_norm_eps": EPSILON, "attention_bias": False, "mlp_bias": False}


def _smollm3(architecture: ArchitectureConfig) -> dict[str, Any]:
    """Return values with a 0 for each layer, because none has rotary positions."""
    return _rms_norm(architecture) | {"no_rope_layers": [0] * architecture.num_layers}


def _starcoder2(architecture: ArchitectureConfig) -> dict[str, Any]:
    dropout = architecture.residual_dropout
    return {
        "norm_epsilon": EPSILON,
        "use_bias": False,
        "sliding_window": None,
        "residual_dropout": dropout,
        "embedding_dropout": dropout,
    }


def _stablelm(architecture: ArchitectureConfig) -> dict[str, Any]:
    """Return values that rotate all of each head; by default StableLM rotates a quarter."""
    rope = {"rope_type": "default", "rope_theta": ROPE_BASE, "partial_rotary_factor": 1.0}
    return {
        "layer_norm_eps": EPSILON,
        "use_qkv_bias": False,
        "qk_layernorm": False,
        "use_parallel_residual": False,
        "hidden_dropout": architecture.residual_dropout,
        "partial_rotary_factor": 1.0,
        "rope_parameters": rope,
    }


_OWN_KEYS = {
    "llama": _rms_norm,
    "qwen3": lambda architecture: _rms_norm(architecture) | {"use_sliding_window": False},
    "arcee": _rms_norm,
    "apertus": _rms_norm,
    "smollm3": _smollm3,
    "starcoder2": _starcoder2,
    "stablelm": _stablelm,
}


def _gpt2(architecture: ArchitectureConfig, chosen: TransformersClass) -> dict[str, Any]:
    values = {
        "n_embd": architecture.hidden_dim,
        "n_layer": architecture.num_layers,
        "n_head": architecture.num_heads,
        "n_inner": architecture.ffn_dim,
        "n_positions": architecture.max_seq_length,
        "activation_function": _FUNCTIONS[architecture.activation],
        "layer_norm_epsilon": EPSILON,
        "scale_attn_weights": True,
        "attn_pdrop": architecture.attention_dropout,
        "resid_pdrop": architecture.residual_dropout,
        "embd_pdrop": architecture.residual_dropout,
    }
    return values | ({"multi_query": True} if chosen.model_type == "gpt_bigcode" else {})

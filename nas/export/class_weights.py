"""A decoder's weights under the names and in the layout of a transformers class.

H hidden, V vocab, T max_seq_length, K kv heads, D head dim.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from nas.architecture.transformers_class import TransformersClass
from nas.export.decoder_weights import WeightNames, Weights, decoder_weights
from nas.model import Decoder

_LLAMA = WeightNames(
    model={"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"},
    layer_prefix="model.layers.{}.",
    layer={
        "attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm",
        "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "out": "self_attn.o_proj",
        "query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm",
        "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
    },
)  # fmt: skip
_APERTUS = {"attention_norm": "attention_layernorm", "feed_forward_norm": "feedforward_layernorm"}
_STARCODER2 = {"up": "mlp.c_fc", "down": "mlp.c_proj"}
_GPT2 = WeightNames(
    model={
        "embedding": "transformer.wte", "positions": "transformer.wpe", "norm": "transformer.ln_f", "head": "lm_head"
    },
    layer_prefix="transformer.h.{}.",
    layer={
        "attention_norm": "ln_1", "feed_forward_norm": "ln_2",
        "qkv": "attn.c_attn", "out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj",
    },
)  # fmt: skip
_NAMES = {
    "apertus": replace(_LLAMA, layer={**_LLAMA.layer, **_APERTUS}),
    "starcoder2": replace(_LLAMA, layer={**_LLAMA.layer, **_STARCODER2}),
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
}
"""Model type -> names; other types have the names of Llama."""


def class_weights(model: Decoder, chosen: TransformersClass) -> Weights:
    """Return the state dict of the class `chosen`, without a tied output head."""
    weights = decoder_weights(model)
    names = _NAMES.get(chosen.model_type, _LLAMA)
    return names.rename(_in_gpt2_layout(weights, model, chosen) if names is _GPT2 else weights)


def _in_gpt2_layout(weights: Weights, model: Decoder, chosen: TransformersClass) -> Weights:
    """Fuse query, key and value into one matrix, and add zero biases and a table of positions.

    GPT2 stores its matrices transposed (Conv1D), GPTBigCode does not.
    """
    config = model.config
    weights.setdefault("positions.weight", torch.zeros(config.max_seq_length, config.hidden_dim))
    for number in range(config.num_layers):
        layer = f"layers.{number}."
        fused = [weights.pop(f"{layer}{name}.weight") for name in ("query", "key", "value")]
        weights[f"{layer}qkv.weight"] = torch.cat(fused)
        for name in ("qkv", "out", "up", "down"):
            weight = weights[f"{layer}{name}.weight"]
            weights[f"{layer}{name}.bias"] = torch.zeros(len(weight))
            weights[f"{layer}{name}.weight"] = weight.T.contiguous() if chosen.model_type == "gpt2" else weight
    return weights

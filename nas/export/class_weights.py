"""A decoder's weights under the names and in the layout of a class of transformers.

H hidden, V vocab, T max_seq_length, K kv heads, D head dim.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from nas.architecture.transformers_class import TransformersClass
from nas.export.parts import Naming, Parts, take_apart
from nas.model import Decoder

_LLAMA = Naming(
    outside={"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"},
    layer="model.layers.{}.",
    inside={
        "attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm",
        "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "out": "self_attn.o_proj",
        "query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm",
        "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
    },
)  # fmt: skip
_APERTUS = {"attention_norm": "attention_layernorm", "feed_forward_norm": "feedforward_layernorm"}
_STARCODER2 = {"up": "mlp.c_fc", "down": "mlp.c_proj"}
_GPT2 = Naming(
    outside={
        "embedding": "transformer.wte", "positions": "transformer.wpe", "norm": "transformer.ln_f", "head": "lm_head"
    },
    layer="transformer.h.{}.",
    inside={
        "attention_norm": "ln_1", "feed_forward_norm": "ln_2",
        "qkv": "attn.c_attn", "out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj",
    },
)  # fmt: skip
_NAMINGS = {
    "apertus": replace(_LLAMA, inside={**_LLAMA.inside, **_APERTUS}),
    "starcoder2": replace(_LLAMA, inside={**_LLAMA.inside, **_STARCODER2}),
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
}
"""By model type; the others are called as in Llama."""


def class_weights(model: Decoder, chosen: TransformersClass) -> Parts:
    """The state dict of `chosen`; a tied output head is left out."""
    parts = take_apart(model)
    naming = _NAMINGS.get(chosen.model_type, _LLAMA)
    return naming.rename(_as_gpt2(parts, model, chosen) if naming is _GPT2 else parts)


def _as_gpt2(parts: Parts, model: Decoder, chosen: TransformersClass) -> Parts:
    """Query, key and value in one matrix, biases of zeros, a table of positions in every case.

    GPT2 has its matrices transposed (Conv1D), GPTBigCode has not.
    """
    config = model.config
    parts.setdefault("positions.weight", torch.zeros(config.max_seq_length, config.hidden_dim))
    for number in range(config.num_layers):
        layer = f"layers.{number}."
        fused = [parts.pop(f"{layer}{one}.weight") for one in ("query", "key", "value")]
        parts[f"{layer}qkv.weight"] = torch.cat(fused)
        for name in ("qkv", "out", "up", "down"):
            weight = parts[f"{layer}{name}.weight"]
            parts[f"{layer}{name}.bias"] = torch.zeros(len(weight))
            parts[f"{layer}{name}.weight"] = weight.T.contiguous() if chosen.model_type == "gpt2" else weight
    return parts

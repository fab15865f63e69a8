"""The peer of the benchmarks: transformers' Llama with our weights, trained as its users train it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nas.architecture.config import ArchitectureConfig
from nas.model import Decoder
from nas.model.normalization import EPSILON
from nas.model.positions import ROPE_BASE
from nas.training.batches import Batches
from nas.training.recipe import Recipe

PRECISIONS = ("fp32", "autocast", "bf16")
ATTENTIONS = ("sdpa", "eager")
MAX_LOGIT_GAP = 1e-4
"""Maximum difference between our logits and the peer's, both float32, for the same weights and ids."""


def build_peer(model: Decoder, *, attention: str = "sdpa") -> LlamaForCausalLM:
    """Build a float32 Llama that computes the same as `model`; raise AssertionError if it does not.

    `attention` is transformers' `sdpa`, or `eager`, which consists of single operations.
    """
    peer = LlamaForCausalLM(peer_config(model.config, attention))
    peer.load_state_dict(peer_weights(model))
    gap = logit_gap(model, peer)
    assert gap <= MAX_LOGIT_GAP, f"the peer is another model: its logits differ from ours by up to {gap:.2g}"
    return peer


def peer_config(architecture: ArchitectureConfig, attention: str = "sdpa") -> LlamaConfig:
    config = architecture
    llama = {"activation": "swiglu", "normalization": "rmsnorm", "position_encoding": "rope", "qk_norm": False}
    values_of_llama = {name: getattr(config, name) for name in llama}
    assert values_of_llama == llama and not config.attention_dropout and not config.residual_dropout, config.describe()
    values: dict[str, Any] = dict(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_dim,
        intermediate_size=config.ffn_dim,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        max_position_embeddings=config.max_seq_length,
        rms_norm_eps=EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        tie_word_embeddings=config.tie_embeddings,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation=attention,
    )
    return LlamaConfig(**values)


def peer_weights(model: Decoder) -> dict[str, Tensor]:
    """Return our state dict under transformers' names, with the joined projections split."""
    config, ours = model.config, {name: value.detach().clone() for name, value in model.state_dict().items()}
    weights = {
        "model.embed_tokens.weight": ours["embedding.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["embedding.weight" if config.tie_embeddings else "head.weight"],
    }
    for layer in range(config.num_layers):
        source, target = f"blocks.{layer}", f"model.layers.{layer}"
        query, key, value = ours[f"{source}.attention.qkv.weight"].split(
            [config.hidden_dim, config.kv_dim, config.kv_dim]
        )
        gate, up = ours[f"{source}.feed_forward.expand.weight"].chunk(2)
        weights |= {
            f"{target}.self_attn.q_proj.weight": query,
            f"{target}.self_attn.k_proj.weight": key,
            f"{target}.self_attn.v_proj.weight": value,
            f"{target}.self_attn.o_proj.weight": ours[f"{source}.attention.out.weight"],
            f"{target}.mlp.gate_proj.weight": gate,
            f"{target}.mlp.up_proj.weight": up,
            f"{target}.mlp.down_proj.weight": ours[f"{source}.feed_forward.down.weight"],
            f"{target}.input_layernorm.weight": ours[f"{source}.attention_norm.weight"],
            f"{target}.post_attention_layernorm.weight": ours[f"{source}.feed_forward_norm.weight"],
        }
    return weights


def logit_gap(model: Decoder, peer: LlamaForCausalLM) -> float:
    """Return the largest difference between two models' logits on two random sequences."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(model.config.vocab_size, (2, min(model.config.max_seq_length, 64)), generator=generator)
    with torch.no_grad():
        return float((model(ids) - peer(input_ids=ids, use_cache=False).logits).abs().max())


@dataclass(frozen=True)
class PeerSetting:
    """The precision, attention and compilation of a peer."""

    precision: str
    """`fp32`, `autocast` (bfloat16 over float32 weights), or `bf16` (weights and optimiser too)."""
    attention: str = "sdpa"
    is_compiled: bool = False

    @property
    def name(self) -> str:
        return f"{self.precision}, {self.attention}{', compiled' if self.is_compiled else ''}"

    @property
    def numbers(self) -> str:
        """Type of the matrix products: `fp32` or `bf16`."""
        return "fp32" if self.precision == "fp32" else "bf16"


class PeerTraining:
    """The training of `nas.training.trainer.Trainer` in plain PyTorch: same batches, rates, decay, clip, AdamW."""

    def __init__(
        self,
        model: Decoder,
        tokens: NDArray[np.integer[Any]],
        recipe: Recipe,
        setting: PeerSetting,
        device: str = "cpu",
    ) -> None:
        """Start from the weights of `model` on the CPU, which is not changed."""
        peer = build_peer(model, attention=setting.attention).train().to(device)
        self.peer = peer.to(torch.bfloat16) if setting.precision == "bf16" else peer
        self.recipe = recipe
        self.step = 0
        self._setting = setting
        self._device = device
        self._batches = Batches(tokens, recipe.batch_size, recipe.seq_length, recipe.seed)
        self._loss = torch.compile(self._eager_loss) if setting.is_compiled else self._eager_loss
        parameters = list(self.peer.parameters())
        self._optimizer = torch.optim.AdamW(
            [
                {
                    "params": [parameter for parameter in parameters if parameter.dim() >= 2],
                    "weight_decay": recipe.weight_decay,
                },
                {"params": [parameter for parameter in parameters if parameter.dim() < 2], "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            fused=True,
        )

    def advance(self, num_steps: int) -> float:
        """Do the next `num_steps` steps and return their mean loss in nats per token."""
        losses = []
        for _ in range(num_steps):
            inputs, targets = (self._on_device(batch) for batch in self._batches.at(self.step))
            for group in self._optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate_at(self.step)
            loss = self._loss(inputs, targets)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(self.peer.parameters(), self.recipe.grad_clip)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self.step += 1
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _on_device(self, batch: Tensor) -> Tensor:
        return batch if self._device == "cpu" else batch.pin_memory().to(self._device, non_blocking=True)

    def _eager_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._setting.precision == "autocast"):
            logits = self.peer(input_ids=inputs, use_cache=False).logits
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

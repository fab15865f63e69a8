"""The feed-forward layer, applied to each token alone.

B batch, T time, H hidden, E expanded width (ffn_dim of the config).
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from nas.architecture.config import ArchitectureConfig
from nas.model.linear import Linear


def squared_relu(x: Tensor) -> Tensor:
    """Return relu(x)^2 (So et al. 2021, Primer).

    It is a product, because the derivative of `square` costs three more passes.
    """
    positive = F.relu(x)
    return positive * positive


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "silu": F.silu,
    "relu2": squared_relu,
    "geglu": F.gelu,
    "swiglu": F.silu,
}
"""The function that each activation applies; GELU is the exact one, by erf (Hendrycks and Gimpel 2016)."""


class FeedForward(nn.Module):
    """Ungated: down(f(up(x))). Gated: down(f(gate(x)) * up(x)) (Shazeer 2020); `expand` holds gate, then up."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.is_gated = config.is_gated
        width = (2 if config.is_gated else 1) * config.ffn_dim
        self.expand = Linear(config.hidden_dim, width)
        self.down = Linear(config.ffn_dim, config.hidden_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, H) to (B, T, H)."""
        expanded: Tensor = self.expand(x)
        if self.is_gated:
            gate, up = expanded.chunk(2, dim=-1)
            inner = self.activation(gate) * up
        else:
            inner = self.activation(expanded)
        output: Tensor = self.down(inner)
        return output

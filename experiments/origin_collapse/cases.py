"""The cases of `experiments.origin_collapse`: the origin's shape, and one thing changed at a time."""

from __future__ import annotations

from dataclasses import dataclass

from nas.architecture.config import ArchitectureConfig
from nas.space.sections import vocabulary_name

FLOPS = 3e12
SEQ_LENGTH = 256
LITTLE_DATA = 0.1


@dataclass(frozen=True)
class Case:
    """One training of the experiment; without a change it has the origin's shape and the mask."""

    name: str
    is_masked: bool = True
    num_layers: int = 2
    hidden_dim: int = 128
    vocab_size: int = 4096
    data_share: float = 1.0
    """Share of the training text that is read, from its start."""
    flops: float = FLOPS

    @property
    def vocabulary(self) -> str:
        return vocabulary_name(self.vocab_size)

    def architecture(self, vocab_size: int) -> ArchitectureConfig:
        """Return the origin's: head width 32, FFN x3, gelu, rmsnorm, rope, untied."""
        return ArchitectureConfig(
            num_layers=self.num_layers,
            hidden_dim=self.hidden_dim,
            num_heads=self.hidden_dim // 32,
            ffn_multiplier=3.0,
            vocab_size=vocab_size,
            max_seq_length=SEQ_LENGTH,
        )


CASES = (
    Case("no mask, as the origin", is_masked=False),
    Case("mask"),
    Case("mask, vocabulary 50,257", vocab_size=50_257),
    Case("mask, vocabulary 256", vocab_size=256),
    Case("no mask, vocabulary 256", is_masked=False, vocab_size=256),
    Case("no mask, vocabulary 50,257", is_masked=False, vocab_size=50_257),
    Case("mask, width 64", hidden_dim=64),
    Case("mask, width 256", hidden_dim=256),
    Case("mask, a tenth of the text", data_share=LITTLE_DATA),
    Case("mask, a third of the FLOPs", flops=FLOPS / 3),
    Case("mask, one layer", num_layers=1),
    Case("mask, six layers", num_layers=6),
    Case("no mask, six layers", is_masked=False, num_layers=6),
)

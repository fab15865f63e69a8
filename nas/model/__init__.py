"""The language model: one decoder-only transformer with its parts chosen by an ArchitectureConfig."""

from nas.model.decoder import Decoder
from nas.model.generation import GREEDY, SamplingSettings, generate

__all__ = ["GREEDY", "Decoder", "SamplingSettings", "generate"]

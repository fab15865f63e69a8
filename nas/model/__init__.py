"""The language model: one decoder-only transformer with its parts chosen by an ArchitectureConfig."""

from nas.model.cross_entropy import SoftTargets
from nas.model.decoder import Decoder
from nas.model.generation import generate, stream_tokens
from nas.model.sampling import GREEDY, SamplingSettings

__all__ = ["GREEDY", "Decoder", "SamplingSettings", "SoftTargets", "generate", "stream_tokens"]

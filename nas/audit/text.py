"""Text that a model is measured on, in the model's own tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.audit.subject import AuditedModel
from nas.inference.bits_per_byte import window_nats

MAX_CONTEXT = 512


@dataclass(frozen=True)
class Text:
    """The same documents twice: as token ids and as bytes."""

    tokens: NDArray[np.integer]
    """(num_tokens,), each document ended by `eot_id`."""
    eot_id: int
    content: bytes
    """UTF-8, each document ended by one byte more."""

    @property
    def bytes_per_token(self) -> float:
        return len(self.content) / len(self.tokens)

    def bits_per_byte(self, subject: AuditedModel) -> float:
        """As a trial measures them, over windows of at most MAX_CONTEXT tokens."""
        length = min(MAX_CONTEXT, subject.max_length)
        with torch.no_grad():
            nats = window_nats(subject.logits, self.tokens, self.eot_id, length, subject.vocab_size, subject.device)
        return float(nats.sum()) / math.log(2) / len(self.content)

"""Text that a model is measured on, in the model's own tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.trial.audit.subject import Subject
from nas.trial.bits_per_byte import window_nats

MOST_CONTEXT = 512


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

    def bits_per_byte(self, subject: Subject) -> float:
        """As a trial measures them, over windows of at most MOST_CONTEXT tokens."""
        length = min(MOST_CONTEXT, subject.max_length)
        with torch.no_grad():
            nats = window_nats(subject.logits, self.tokens, self.eot_id, length, subject.vocab_size, subject.device)
        return float(nats.sum()) / math.log(2) / len(self.content)

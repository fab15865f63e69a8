"""A text with its tokens under the model's own tokenizer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.audit.audited_model import AuditedModel
from nas.inference.bits_per_byte import window_nats

MAX_CONTEXT = 512


@dataclass(frozen=True)
class Text:
    """The same documents as token ids and as bytes."""

    tokens: NDArray[np.integer]
    """(num_tokens,), each document ended by `eot_id`."""
    eot_id: int
    content: bytes
    """UTF-8, with one more byte at the end of each document."""

    @property
    def bytes_per_token(self) -> float:
        return len(self.content) / len(self.tokens)

    def bits_per_byte(self, model: AuditedModel) -> float:
        """Return the bits per byte of `model` as in a trial, over windows of at most MAX_CONTEXT tokens."""
        length = min(MAX_CONTEXT, model.max_length)
        with torch.no_grad():
            nats = window_nats(model.logits, self.tokens, self.eot_id, length, model.vocab_size, model.device)
        return float(nats.sum()) / math.log(2) / len(self.content)

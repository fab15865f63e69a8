"""Bits per byte: a perplexity that compares models of different vocabularies.

bpb = sum of nats / (ln 2 x bytes of the targets). The text is the same for every vocabulary and every
token of it is a target exactly once. The stream is cut into consecutive windows of T inputs; the first
token is predicted from an end-of-text token, the first of any later window from the last token before
it, so that the context never reaches back over a window's start. End-of-text is the byte 0 of every
vocabulary and counts as one byte.

The same is measured on novel lines alone (nas/corpus/novel_lines.py): a token's nats are spread evenly
over its bytes, and those that fall on bytes of novel lines are summed and divided by ln 2 x these bytes. A token
can straddle the end of a line, but the bytes are the same for every vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nas.errors import Diverged
from nas.model import Decoder
from nas.model.packed_weights import packed_weights
from nas.tokenizer.vocabulary import Vocabulary

EVALUATION_VERSION = 4
# Logits held at once, so that memory does not grow with the vocabulary.
_LOGITS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class Likelihood:
    """The total negative log-likelihood of a text."""

    nats: float
    num_tokens: int
    num_bytes: int
    novel_nats: float = 0.0
    """Nats that fall on bytes of novel lines."""
    novel_num_bytes: int = 0

    @property
    def bpb(self) -> float:
        return self.nats / (math.log(2) * self.num_bytes)

    @property
    def novel_bpb(self) -> float | None:
        """Bits per byte on novel lines alone; None where there are none."""
        return self.novel_nats / (math.log(2) * self.novel_num_bytes) if self.novel_num_bytes else None

    @property
    def perplexity(self) -> float:
        """exp(nats per token): compares within one vocabulary only."""
        return math.exp(min(self.nats / self.num_tokens, 700.0))


def measure_likelihood(
    model: Decoder, tokens: NDArray[np.integer], eot_id: int, num_bytes: int, seq_length: int
) -> Likelihood:
    """Return the likelihood of `tokens`, (num_tokens,), documents each ended by `eot_id`, of `num_bytes` bytes.

    Raise Diverged when weights that are not finite make the sum not finite.
    """
    nats = float(token_nats(model, tokens, eot_id, seq_length).sum())
    return Likelihood(nats=nats, num_tokens=len(tokens), num_bytes=num_bytes)


def measure_with_novel(
    model: Decoder, vocabulary: Vocabulary, tokens: NDArray[np.integer], novel: NDArray[np.bool_]
) -> Likelihood:
    """Return the likelihood of `tokens`, (num_tokens,), in windows of max_seq_length, also on novel lines.

    `novel`, (num_bytes,), marks the bytes of the text that are in novel lines.
    """
    nats = token_nats(model, tokens, vocabulary.eot_id, model.config.max_seq_length)
    return Likelihood(
        nats=float(nats.sum()),
        num_tokens=len(tokens),
        num_bytes=len(novel),
        novel_nats=masked_nats(novel, nats, vocabulary.num_bytes[tokens]),
        novel_num_bytes=int(novel.sum()),
    )


def masked_nats(mask: NDArray[np.bool_], nats: NDArray[np.float64], token_bytes: NDArray[np.int64]) -> float:
    """Return the nats on the bytes of `mask`, (num_bytes,), with each token's spread evenly over its bytes.

    `nats` and `token_bytes`, the number of bytes of each token, are (num_tokens,) of the same text.
    """
    ends = np.cumsum(token_bytes)
    assert len(ends) and ends[-1] == len(mask), "the tokens and the mask are of the same bytes"
    marked = np.concatenate([[0], np.cumsum(mask)])
    inside = marked[ends] - marked[ends - token_bytes]
    return float((nats * inside / token_bytes).sum())


@torch.inference_mode()
def token_nats(model: Decoder, tokens: NDArray[np.integer], eot_id: int, seq_length: int) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each token, (num_tokens,) nats, in the windows of the module's docstring.

    Raise Diverged when one is not finite.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    with packed_weights(model):
        nats = window_nats(model, tokens, eot_id, seq_length, model.config.vocab_size, device)
    model.train(was_training)
    if not np.isfinite(nats).all():
        raise Diverged(f"the likelihood of the text is {nats.sum()}: training left weights that are not finite")
    return nats


def window_nats(
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    tokens: NDArray[np.integer],
    eot_id: int,
    seq_length: int,
    vocab_size: int,
    device: torch.device,
) -> NDArray[np.float64]:
    """Return `token_nats` of any function from ids (B, T) to logits (B, T, V)."""
    inputs = torch.from_numpy(np.concatenate([[eot_id], tokens[:-1]]).astype(np.int64)).to(device)
    targets = torch.from_numpy(np.asarray(tokens).astype(np.int64)).to(device)
    rows = max(1, _LOGITS_AT_ONCE // (seq_length * vocab_size))
    # Allocated once: a small result kept after each window would split the memory that the next logits need.
    nats = torch.empty(len(targets), device=device)
    for start in range(0, len(targets), rows * seq_length):
        end = min(start + rows * seq_length, len(targets))
        whole = start + (end - start) // seq_length * seq_length
        for first, last in ((start, whole), (whole, end)):
            if last > first:
                shape = (-1, min(seq_length, last - first))
                logits = logits_of(inputs[first:last].view(shape)).float()
                nats[first:last] = F.cross_entropy(logits.flatten(0, 1), targets[first:last], reduction="none")
    values: NDArray[np.float64] = nats.double().cpu().numpy()
    return values

"""A trained model from which another one learns: what it thinks of the next token, beside what the text says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nas.audit.opened_model import OpenedModel, open_path
from nas.audit.audited_model import AuditedModel
from nas.errors import CheckpointError, UsageError
from nas.model import Decoder, SoftTargets
from nas.train.source import Source
from nas.training.numerics import Numerics

_LOGITS_AT_ONCE = 1 << 24
_COMPARED_BYTES = 65_536
"""Of validation text, to see that student and teacher have one tokenizer."""
_WEIGHTS = ("*.safetensors", "*.bin")


class Distillation(BaseModel):
    """How much a teacher says, and what it costs: loss = (1 - share) x CE + share x temperature^2 x KL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    teacher: str
    """SHA-256 of its weights."""
    share: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0)
    top_k: int = Field(ge=1)
    """Of the teacher's tokens that count: the others are taken to have no probability."""
    flops_per_token: int
    """Of its forward pass."""


@dataclass(frozen=True)
class Teacher:
    """Called with ids (B, T) it gives what it says of the token after each, B x T rows."""

    subject: AuditedModel
    vocab_size: int
    """Of the student. A teacher may have more logits: many models have rows for no token."""
    distillation: Distillation

    @torch.inference_mode()
    def __call__(self, ids: Tensor) -> SoftTargets:
        rows = max(1, _LOGITS_AT_ONCE // (ids.shape[1] * self.subject.vocab_size))
        temperature, count = self.distillation.temperature, min(self.distillation.top_k, self.vocab_size)
        logits = (self.subject.logits(part)[..., : self.vocab_size] for part in torch.split(ids, rows))
        found = [one.float().topk(count) for one in logits]
        likely = torch.cat([one.values for one in found]).flatten(0, 1)
        tokens = torch.cat([one.indices for one in found]).flatten(0, 1)
        return SoftTargets(tokens, torch.softmax(likely / temperature, dim=1), self.distillation.share, temperature)


def open_teacher(
    path: Path,
    source: Source,
    seq_length: int,
    numerics: Numerics,
    *,
    share: float,
    temperature: float,
    top_k: int,
) -> Teacher:
    """A checkpoint of nas.train, or a folder of transformers'; it computes in the precision of training.

    UsageError where it is not trained, reads less than `seq_length`, or cuts text otherwise than `source`.
    """
    opened = open_path(path)
    subject = opened.subject
    if not opened.is_trained:
        raise UsageError(
            f"--teacher {path} is not trained; give a checkpoint of nas.train or a folder of transformers'"
        )
    if subject.max_length < seq_length:
        raise UsageError(f"--teacher {path} reads {subject.max_length} tokens at most, not sequences of {seq_length}")
    _check_same_tokenizer(path, opened, source)
    subject.module.eval().to(numerics.device)
    if isinstance(subject.module, Decoder):  # all of it, as it was trained
        subject.module.to(numerics.training_dtype)
    for parameter in subject.module.parameters():  # of others not buffers: rounded angles of rotations are other angles
        parameter.data = parameter.data.to(numerics.training_dtype)
    return Teacher(
        subject,
        source.vocabulary.size,
        Distillation(
            teacher=_hash_of(path),
            share=share,
            temperature=temperature,
            top_k=top_k,
            flops_per_token=_flops_per_token(subject, seq_length),
        ),
    )


def _check_same_tokenizer(path: Path, opened: OpenedModel, source: Source) -> None:
    """By the ids of real text, as tokenizers of others say little about themselves."""
    vocabulary, texts = source.vocabulary, source.data.evaluation_documents("validation", _COMPARED_BYTES)
    if opened.encode is None:
        raise UsageError(f"--teacher {path} has no tokenizer beside it, which must be that of the student")
    theirs = opened.encode(texts)
    if opened.subject.vocab_size < vocabulary.size or theirs.tolist() != vocabulary.encode_documents(texts).tolist():
        raise UsageError(
            f"--teacher {path} has another tokenizer of {opened.subject.vocab_size} tokens, the student one of "
            f"{vocabulary.size}; train the student with its tokenizer: --tokenizer {path}"
        )


def _flops_per_token(subject: AuditedModel, seq_length: int) -> int:
    """By the formula for ours, counted by PyTorch for others."""
    if isinstance(subject.module, Decoder):
        return subject.module.config.forward_flops_per_token(seq_length)
    # Fused attention on a CPU would not be counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        subject.logits(torch.zeros(1, seq_length, dtype=torch.int64, device=subject.device))
    return int(counter.get_total_flops()) // seq_length


def _hash_of(path: Path) -> str:
    """SHA-256 of the weights' bytes."""
    files = [path] if path.is_file() else sorted(one for kind in _WEIGHTS for one in path.glob(kind))
    if not files:
        raise CheckpointError(f"--teacher {path} holds no weights ({' or '.join(_WEIGHTS)})")
    digest = hashlib.sha256()
    for one in files:
        with one.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()

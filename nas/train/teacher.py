"""A trained model whose predictions of the next token another model learns, in addition to the text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nas.audit.audited_model import AuditedModel
from nas.audit.opened_model import OpenedModel, open_path
from nas.errors import CheckpointError, UsageError
from nas.model import Decoder, SoftTargets
from nas.train.source import Source
from nas.training.numerics import Numerics

_LOGITS_AT_ONCE = 1 << 24
_COMPARED_BYTES = 65_536
"""Bytes of validation text on which the tokenizers of student and teacher are compared."""
_WEIGHTS = ("*.safetensors", "*.bin")


class Distillation(BaseModel):
    """The settings and cost of a teacher: loss = (1 - share) x CE + share x temperature^2 x KL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    teacher: str
    """SHA-256 of the teacher's weights."""
    share: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0)
    top_k: int = Field(ge=1)
    """Number of the teacher's most probable tokens; the others count as having no probability."""
    flops_per_token: int
    """FLOPs of the teacher's forward pass."""


@dataclass(frozen=True)
class Teacher:
    """A function from ids (B, T) to soft targets for the token after each, B x T rows."""

    model: AuditedModel
    vocab_size: int
    """The student's. A teacher may have more logits: many models have rows for no token."""
    distillation: Distillation

    @torch.inference_mode()
    def __call__(self, ids: Tensor) -> SoftTargets:
        rows = max(1, _LOGITS_AT_ONCE // (ids.shape[1] * self.model.vocab_size))
        temperature, count = self.distillation.temperature, min(self.distillation.top_k, self.vocab_size)
        logits = (self.model.logits(part)[..., : self.vocab_size] for part in torch.split(ids, rows))
        top = [part.float().topk(count) for part in logits]
        top_logits = torch.cat([part.values for part in top]).flatten(0, 1)
        tokens = torch.cat([part.indices for part in top]).flatten(0, 1)
        return SoftTargets(tokens, torch.softmax(top_logits / temperature, dim=1), self.distillation.share, temperature)


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
    """Open a checkpoint of nas.train, or a folder of transformers, to compute in the precision of training.

    Raise UsageError if it is not trained, reads less than `seq_length`, or has another tokenizer than `source`.
    """
    opened = open_path(path)
    model = opened.model
    if not opened.is_trained:
        raise UsageError(f"--teacher {path} is not trained; give a checkpoint of nas.train or a folder of transformers")
    if model.max_length < seq_length:
        raise UsageError(f"--teacher {path} reads {model.max_length} tokens at most, not sequences of {seq_length}")
    _check_same_tokenizer(path, opened, source)
    model.module.eval().to(numerics.device)
    if isinstance(model.module, Decoder):  # buffers too, as it was trained
        model.module.to(numerics.training_dtype)
    for parameter in model.module.parameters():  # other models keep their buffers: rounded rotary angles differ
        parameter.data = parameter.data.to(numerics.training_dtype)
    return Teacher(
        model,
        source.vocabulary.size,
        Distillation(
            teacher=_hash_of(path),
            share=share,
            temperature=temperature,
            top_k=top_k,
            flops_per_token=_flops_per_token(model, seq_length),
        ),
    )


def _check_same_tokenizer(path: Path, opened: OpenedModel, source: Source) -> None:
    """Compare the ids of real text, because foreign tokenizers describe themselves incompletely."""
    vocabulary, texts = source.vocabulary, source.data.evaluation_documents("validation", _COMPARED_BYTES)
    if opened.encode is None:
        raise UsageError(f"--teacher {path} has no tokenizer; it must have that of the student")
    ids = opened.encode(texts)
    if opened.model.vocab_size < vocabulary.size or ids.tolist() != vocabulary.encode_documents(texts).tolist():
        raise UsageError(
            f"--teacher {path} has another tokenizer of {opened.model.vocab_size} tokens, the student one of "
            f"{vocabulary.size}; train the student with its tokenizer: --tokenizer {path}"
        )


def _flops_per_token(model: AuditedModel, seq_length: int) -> int:
    """Return the forward FLOPs: by formula for codenas's models, counted by PyTorch for others."""
    if isinstance(model.module, Decoder):
        return model.module.config.forward_flops_per_token(seq_length)
    # PyTorch does not count fused attention on a CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.logits(torch.zeros(1, seq_length, dtype=torch.int64, device=model.device))
    return int(counter.get_total_flops()) // seq_length


def _hash_of(path: Path) -> str:
    """Return the SHA-256 of the weight files."""
    files = [path] if path.is_file() else sorted(file for kind in _WEIGHTS for file in path.glob(kind))
    if not files:
        raise CheckpointError(f"--teacher {path} holds no weights ({' or '.join(_WEIGHTS)})")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()

"""Whether a model can learn what cannot be learnt: tokens drawn at random, each independent of all others.

B batch, T time, V vocab.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F

from nas.audit.finding import Finding, not_checked
from nas.audit.subject import AuditedModel, draw_ids

LEARNING = "learning noise"
STEPS, BATCH, LENGTH = 200, 16, 32
LEARNING_RATE = 3e-3
STANDARD_ERRORS = 4.0


def check_learning(subject: AuditedModel, steps: int = STEPS) -> Finding:
    """Train a copy on fresh i.i.d. tokens; its loss on as fresh ones stays above ln V, up to chance.

    A model that reads its targets gets below at once. AdamW at one rate: this is no training of use, so it has
    nothing of the project's own training loop.
    """
    module = copy.deepcopy(subject.module).float().train()
    student = AuditedModel(module, subject.vocab_size, subject.max_length)
    length = min(LENGTH, subject.max_length)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE)
    for step in range(steps):
        _losses(student, length, seed=step).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    module.eval()
    with torch.no_grad():
        losses = torch.cat([_losses(student, length, seed=steps + batch) for batch in range(8)]).double()
    mean, error = float(losses.mean()), float(losses.std()) / math.sqrt(len(losses))
    chance = math.log(subject.vocab_size)
    floor = chance - STANDARD_ERRORS * error
    did = f"trained a copy for {steps} steps on random tokens and measured {len(losses):,} fresh ones"
    figure = f"mean loss {mean:.3f} nats; ln V is {chance:.3f}, the least that chance allows {floor:.3f}"
    if not math.isfinite(mean):
        return not_checked(LEARNING, "the loss of the copy is not finite")
    if mean < floor:
        advice = "it learnt to read its targets from its inputs: a mask, a shift or a layer lets the answer through"
        return Finding(LEARNING, "leak", did, figure, advice)
    return Finding(LEARNING, "passed", did, figure)


def _losses(subject: AuditedModel, length: int, seed: int) -> torch.Tensor:
    """Losses of every next token of a fresh batch, (B x (T - 1),)."""
    ids = draw_ids(subject, BATCH, length, seed=100_000 + seed)
    logits = subject.logits(ids)[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten().to(logits.device), reduction="none")

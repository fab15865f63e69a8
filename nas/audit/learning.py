"""A check that a model cannot learn random tokens, each independent of all others.

B batch, T time, V vocab.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F

from nas.audit.audited_model import AuditedModel, draw_ids
from nas.audit.finding import Finding, not_checked

LEARNING = "learning noise"
STEPS, BATCH, LENGTH = 200, 16, 32
LEARNING_RATE = 3e-3
STANDARD_ERRORS = 4.0


def check_learning(model: AuditedModel, steps: int = STEPS) -> Finding:
    """Train a copy on fresh i.i.d. tokens; its loss on other fresh tokens must not be below ln V, up to chance.

    A model that reads its targets gets below it soon. The loop here is AdamW at a constant rate: it takes any module,
    and shares nothing with the project's own training loop.
    """
    module = copy.deepcopy(model.module).float().train()
    student = AuditedModel(module, model.vocab_size, model.max_length)
    length = min(LENGTH, model.max_length)
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
    chance = math.log(model.vocab_size)
    floor = chance - STANDARD_ERRORS * error
    method = f"trained a copy for {steps} steps on random tokens and measured {len(losses):,} fresh ones"
    figure = f"mean loss {mean:.3f} nats; ln V is {chance:.3f}, and chance allows {floor:.3f}"
    if not math.isfinite(mean):
        return not_checked(LEARNING, "the loss of the copy is not finite")
    if mean < floor:
        advice = "it learned to read its targets from its inputs: look at the mask, the shift of targets and each layer"
        return Finding(LEARNING, "leak", method, figure, advice)
    return Finding(LEARNING, "passed", method, figure)


def _losses(model: AuditedModel, length: int, seed: int) -> torch.Tensor:
    """Return the losses of every next token of a fresh batch, (B x (T - 1),)."""
    ids = draw_ids(model, BATCH, length, seed=100_000 + seed)
    logits = model.logits(ids)[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten().to(logits.device), reduction="none")

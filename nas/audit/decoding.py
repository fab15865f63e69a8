"""Whether decoding one token at a time with a cache says what the model says when it reads all tokens at once.

T time, V vocab.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nas.audit.finding import Finding, not_checked, not_finite
from nas.audit.subject import AuditedModel, draw_ids
from nas.model import Decoder

CACHE = "cache"
CACHE_LENGTH = 24
_CACHE_NAMES = ("cache", "past_key_values")
"""What transformers calls it, in its argument and its answer: since 5.24, and before."""
_TOLERANCE = {True: 1e-9, False: 1e-3}

_CAUSE = (
    "decoding with the cache is another model than the one that was evaluated: look at positions (off by one after "
    "the prompt), at what is appended to the cache and at the mask of a cached step"
)


def check_cache(subject: AuditedModel, length: int = CACHE_LENGTH) -> Finding:
    """Feed tokens one by one through the cache; each step's logits must be those of the whole sequence."""
    subject = subject.precise
    length = min(length, subject.max_length)
    steps = _steps(subject)
    if steps is None:
        return not_checked(CACHE, "the model has no cache that is known here (ours, or one of transformers')")
    ids = draw_ids(subject, 2, length, seed=5)
    with torch.no_grad():
        whole = subject.logits(ids)
        single = steps(ids)
    if not bool(whole.isfinite().all()):
        return not_finite(CACHE)
    worst = float((whole - single).nan_to_num(math.inf, math.inf).abs().max()) / (float(whole.std()) or 1.0)
    did = f"decoded {length} tokens one by one through the cache and compared with reading them at once"
    figure = f"largest difference {worst:.1e} of the logits' spread"
    if worst > _TOLERANCE[subject.is_float64]:
        return Finding(CACHE, "leak", did, figure, _CAUSE)
    return Finding(CACHE, "passed", did, figure)


def _steps(subject: AuditedModel) -> Callable[[Tensor], Tensor] | None:
    """Ids (B, T) to logits (B, T, V), one token at a time; None where the model has no cache."""
    module = subject.module
    if isinstance(module, Decoder):
        return lambda ids: _steps_of_ours(module, ids)
    try:
        with torch.no_grad():
            answer = module(draw_ids(subject, 1, 2).to(subject.device), use_cache=True)
    except TypeError:
        return None
    name = next((one for one in _CACHE_NAMES if getattr(answer, one, None) is not None), None)
    return None if name is None else lambda ids: _steps_of_transformers(subject, ids, name)


def _steps_of_ours(model: Decoder, ids: Tensor) -> Tensor:
    cache = model.new_cache(*ids.shape)
    return torch.cat([model.unembed(model.hidden(one, cache)) for one in torch.split(ids, 1, dim=1)], dim=1)


def _steps_of_transformers(subject: AuditedModel, ids: Tensor, name: str) -> Tensor:
    past, found = None, []
    for one in torch.split(ids.to(subject.device), 1, dim=1):
        answer = subject.module(one, use_cache=True, **{name: past})
        past = getattr(answer, name)
        found.append(answer.logits)
    return torch.cat(found, dim=1)

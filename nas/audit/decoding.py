"""A check that cached decoding, one token at a time, gives the logits of reading all tokens at once.

T time, V vocab.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nas.audit.audited_model import AuditedModel, draw_ids
from nas.audit.finding import Finding, not_checked, not_finite
from nas.model import Decoder

CACHE = "cache"
CACHE_LENGTH = 24
_CACHE_NAMES = ("cache", "past_key_values")
"""Names of the cache in the arguments and outputs of transformers: since 5.24, and before."""
_TOLERANCE = {True: 1e-9, False: 1e-3}

_CAUSE = (
    "decoding with the cache computes another model than the one that was evaluated: look at positions (off by one "
    "after the prompt), at what is appended to the cache and at the mask of a cached step"
)


def check_cache(model: AuditedModel, length: int = CACHE_LENGTH) -> Finding:
    """Check that tokens fed one by one through the cache give the logits of the whole sequence."""
    model = model.precise
    length = min(length, model.max_length)
    steps = _steps(model)
    if steps is None:
        return not_checked(CACHE, "the model has no known cache (codenas's own, or that of transformers)")
    ids = draw_ids(model, 2, length, seed=5)
    with torch.no_grad():
        whole = model.logits(ids)
        single = steps(ids)
    if not bool(whole.isfinite().all()):
        return not_finite(CACHE)
    worst = float((whole - single).nan_to_num(math.inf, math.inf).abs().max()) / (float(whole.std()) or 1.0)
    method = f"decoded {length} tokens one by one through the cache and compared with reading them at once"
    figure = f"largest difference {worst:.1e} of the logits' spread"
    if worst > _TOLERANCE[model.is_float64]:
        return Finding(CACHE, "leak", method, figure, _CAUSE)
    return Finding(CACHE, "passed", method, figure)


def _steps(model: AuditedModel) -> Callable[[Tensor], Tensor] | None:
    """Return a function from ids (B, T) to logits (B, T, V), one token at a time; None without a cache."""
    module = model.module
    if isinstance(module, Decoder):
        return lambda ids: _decoder_steps(module, ids)
    try:
        with torch.no_grad():
            answer = module(draw_ids(model, 1, 2).to(model.device), use_cache=True)
    except TypeError:
        return None
    name = next((name for name in _CACHE_NAMES if getattr(answer, name, None) is not None), None)
    return None if name is None else lambda ids: _transformers_steps(model, ids, name)


def _decoder_steps(model: Decoder, ids: Tensor) -> Tensor:
    cache = model.new_cache(*ids.shape)
    return torch.cat([model.unembed(model.hidden(token, cache)) for token in torch.split(ids, 1, dim=1)], dim=1)


def _transformers_steps(model: AuditedModel, ids: Tensor, name: str) -> Tensor:
    past, logits = None, []
    for token in torch.split(ids.to(model.device), 1, dim=1):
        answer = model.module(token, use_cache=True, **{name: past})
        past = getattr(answer, name)
        logits.append(answer.logits)
    return torch.cat(logits, dim=1)

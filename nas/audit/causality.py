"""Three independent checks that a model does not read the future; each finds such a leak alone.

T time, V vocab.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nas.audit.audited_model import AuditedModel, draw_ids, other_ids
from nas.audit.finding import Finding, not_checked, not_finite

FUTURE_TOKENS, GRADIENTS, PROBABILITIES = "future tokens", "gradients", "probabilities"

ALL_CUTS_LENGTHS = (2, 3, 8, 33, 64)
MAX_CUTS = 16
"""Evenly spaced positions tried at the model's full length; at ALL_CUTS_LENGTHS all positions are tried."""
GRADIENT_LENGTH = 32
PROBABILITY_LENGTH = 6

# Relative to the spread of the logits: far above rounding errors, far below the effect of any useful leak.
_TOLERANCE = {True: 1e-9, False: 1e-4}

_MASK = (
    "attention without a causal mask or with one that is off by one, or a layer that mixes positions (a "
    "convolution without left padding, a norm over time, a bidirectional layer); look at the mask and at is_causal"
)


def check_future_tokens(
    model: AuditedModel, lengths: Sequence[int] = ALL_CUTS_LENGTHS, max_cuts: int = MAX_CUTS
) -> Finding:
    """Change the tokens after each position: the logits up to it must stay, and those after it must change.

    At `lengths` every position is tried, at the model's full length `max_cuts` of them.
    """
    model = model.precise
    worst, where = 0.0, ""
    moved = 0.0
    tried = sorted({min(length, model.max_length) for length in lengths} | {model.max_length})
    for length in tried:
        ids = draw_ids(model, 1, length)
        cuts = list(range(length - 1)) if length in lengths else _spaced(length - 1, max_cuts)
        with torch.no_grad():
            plain = model.logits(ids)
            if not bool(plain.isfinite().all()):
                return not_finite(FUTURE_TOKENS)
            scale = float(plain.std()) or 1.0
            for cut, logits in _with_other_futures(model, ids, cuts):
                difference = ((logits - plain[0]).abs() / scale).nan_to_num(math.inf, math.inf)
                before = float(difference[: cut + 1].max())
                moved = max(moved, float(difference[cut + 1 :].max()))
                if before > worst:
                    worst, where = before, f" (length {length}, tokens after position {cut} changed)"
    method = (
        f"changed the tokens after each position, at lengths {', '.join(map(str, tried))} in {_precision(model)}; "
        "compared the logits up to it"
    )
    figure = f"largest change {worst:.1e} of the logits' spread{where if worst else ''}"
    if worst > _TOLERANCE[model.is_float64]:
        return Finding(FUTURE_TOKENS, "leak", method, figure, _MASK)
    if moved <= _TOLERANCE[model.is_float64]:
        return not_checked(FUTURE_TOKENS, "the logits do not depend on the tokens at all, so they cannot show a leak")
    return Finding(FUTURE_TOKENS, "passed", method, figure)


def check_gradients(model: AuditedModel, length: int = GRADIENT_LENGTH) -> Finding:
    """Check that the logits of a position have no gradient to embeddings of later tokens, and some to earlier ones."""
    model = model.precise
    length = min(length, model.max_length)
    if not model.embeddings():
        return not_checked(GRADIENTS, "the model has no torch.nn.Embedding with a row for each token")
    ids = draw_ids(model, 1, length, seed=2).expand(length, length)
    with torch.enable_grad(), model.embedded(*ids.shape) as leaves:
        logits = model.logits(ids)
        weights = torch.randn(model.vocab_size, generator=torch.Generator().manual_seed(3)).to(logits)
        # Row t has only the logits of position t, so that one backward pass serves all positions.
        total = logits.diagonal(dim1=0, dim2=1).mul(weights[:, None]).sum()
        gradients = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else ()
    norms = [gradient.norm(dim=2) for gradient in gradients if gradient is not None]
    if not norms or not float(sum(norm.sum() for norm in norms)):
        return not_checked(GRADIENTS, "no gradient reaches the token embedding, so it cannot show a leak")
    reach = torch.stack(norms).amax(dim=0).cpu()
    if not bool(reach.isfinite().all()):
        return not_finite(GRADIENTS)
    later = float(reach.triu(diagonal=1).max()) / float(reach.max())
    earlier = [position - int(row.nonzero()[0]) for position, row in enumerate(reach) if bool(row.any())]
    method = f"took the gradient of each position's logits to all {length} embedded tokens in {_precision(model)}"
    figure = f"largest to a later token {later:.1e} of the largest to any; receptive field {max(earlier) + 1} tokens"
    if later > _TOLERANCE[model.is_float64]:
        return Finding(GRADIENTS, "leak", method, figure, _MASK)
    if max(earlier) < 1:
        return Finding(
            GRADIENTS,
            "warning",
            method,
            figure,
            "no position reads an earlier token: context does not reach the logits",
        )
    return Finding(GRADIENTS, "passed", method, figure)


def check_probabilities(model: AuditedModel, length: int = PROBABILITY_LENGTH) -> Finding:
    """Check that the probabilities of all candidates for the next token sum to one.

    Otherwise the token was read, not predicted. Each candidate is in the input as in an evaluation, and its loss is
    measured as in an evaluation: at the position before.
    """
    model = model.precise
    length = min(length, model.max_length)
    ids = draw_ids(model, 1, length, seed=4)
    sums = [_total_probability(model, ids, position) for position in range(1, length)]
    if not all(math.isfinite(value) for value in sums):
        return not_finite(PROBABILITIES)
    worst = max(sums, key=lambda value: abs(value - 1))
    method = (
        f"put each of {model.vocab_size:,} tokens at each of positions 1 to {length - 1} and summed exp(-loss) "
        f"in {_precision(model)}"
    )
    figure = f"the sum farthest from one is {worst:.9f}"
    if abs(worst - 1) > (1e-7 if model.is_float64 else 1e-3):
        advice = "a probability that depends on the answer itself: " + _MASK
        return Finding(PROBABILITIES, "leak", method, figure, advice)
    return Finding(PROBABILITIES, "passed", method, figure)


def _with_other_futures(model: AuditedModel, ids: Tensor, cuts: list[int]) -> list[tuple[int, Tensor]]:
    """Return (cut, logits (T, V)) with every token after `cut` replaced, for each of `cuts`."""
    length = ids.shape[1]
    places = torch.arange(length)
    changed = torch.cat([torch.where(places <= cut, ids, other_ids(model, ids, seed=cut + 1)) for cut in cuts])
    results: list[tuple[int, Tensor]] = []
    for start in range(0, len(cuts), model.rows_at_once(length)):
        part = slice(start, start + model.rows_at_once(length))
        results += zip(cuts[part], model.logits(changed[part]), strict=True)
    return results


def _total_probability(model: AuditedModel, ids: Tensor, position: int) -> float:
    """Return the sum over tokens v of the probability of v at `position`, where the input has v there."""
    total = 0.0
    rows = model.rows_at_once(ids.shape[1])
    for start in range(0, model.vocab_size, rows):
        candidates = torch.arange(start, min(start + rows, model.vocab_size))
        inputs = ids.repeat(len(candidates), 1)
        inputs[:, position] = candidates
        with torch.no_grad():
            log_probs = torch.log_softmax(model.logits(inputs)[:, position - 1].double(), dim=1)
        total += float(log_probs.cpu().gather(1, candidates[:, None]).exp().sum())
    return total


def _spaced(count: int, max_count: int) -> list[int]:
    return sorted({round(place) for place in torch.linspace(0, count - 1, min(count, max_count)).tolist()})


def _precision(model: AuditedModel) -> str:
    return "float64" if model.is_float64 else "float32"

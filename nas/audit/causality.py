"""Three ways in which a model that reads the future gives itself away; each is able to find it alone.

T time, V vocab.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nas.audit.finding import Finding, not_checked, not_finite
from nas.audit.subject import AuditedModel, draw_ids, other_ids

FUTURE_TOKENS, GRADIENTS, PROBABILITIES = "future tokens", "gradients", "probabilities"

WHOLE_LENGTHS = (2, 3, 8, 33, 64)
MAX_CUTS = 16
"""Evenly spaced positions that are tried at the model's full length; at WHOLE_LENGTHS all are."""
GRADIENT_LENGTH = 32
PROBABILITY_LENGTH = 6

# Relative to the spread of the logits: far above rounding, far below what a leak of any use moves.
_TOLERANCE = {True: 1e-9, False: 1e-4}

_MASK = (
    "attention without its causal mask or with one that is off by one, or a layer that mixes positions (a "
    "convolution without left padding, a norm over time, a bidirectional layer); look at the mask and at is_causal"
)


def check_future_tokens(
    subject: AuditedModel, lengths: Sequence[int] = WHOLE_LENGTHS, most_cuts: int = MAX_CUTS
) -> Finding:
    """Change the tokens after each position: the logits up to it must not move, and those after it must.

    At `lengths` every position is tried, at the model's full length `most_cuts` of them.
    """
    subject = subject.precise
    worst, where = 0.0, ""
    moved = 0.0
    tried = sorted({min(length, subject.max_length) for length in lengths} | {subject.max_length})
    for length in tried:
        ids = draw_ids(subject, 1, length)
        cuts = list(range(length - 1)) if length in lengths else _spaced(length - 1, most_cuts)
        with torch.no_grad():
            plain = subject.logits(ids)
            if not bool(plain.isfinite().all()):
                return not_finite(FUTURE_TOKENS)
            scale = float(plain.std()) or 1.0
            for cut, logits in _with_other_futures(subject, ids, cuts):
                difference = ((logits - plain[0]).abs() / scale).nan_to_num(math.inf, math.inf)
                before = float(difference[: cut + 1].max())
                moved = max(moved, float(difference[cut + 1 :].max()))
                if before > worst:
                    worst, where = before, f" (length {length}, tokens after position {cut} changed)"
    did = (
        f"changed the tokens after each position, at lengths {', '.join(map(str, tried))} in {_precision(subject)}; "
        "compared the logits up to it"
    )
    figure = f"largest change {worst:.1e} of the logits' spread{where if worst else ''}"
    if worst > _TOLERANCE[subject.is_float64]:
        return Finding(FUTURE_TOKENS, "leak", did, figure, _MASK)
    if moved <= _TOLERANCE[subject.is_float64]:
        return not_checked(
            FUTURE_TOKENS, "the logits do not depend on the tokens at all, so nothing can be seen in them"
        )
    return Finding(FUTURE_TOKENS, "passed", did, figure)


def check_gradients(subject: AuditedModel, length: int = GRADIENT_LENGTH) -> Finding:
    """The logits of position t must have no gradient to the embeddings of later tokens, and some to earlier ones."""
    subject = subject.precise
    length = min(length, subject.max_length)
    if not subject.embeddings():
        return not_checked(GRADIENTS, "the model has no torch.nn.Embedding with a row for each token")
    ids = draw_ids(subject, 1, length, seed=2).expand(length, length)
    with torch.enable_grad(), subject.embedded(*ids.shape) as leaves:
        logits = subject.logits(ids)
        weights = torch.randn(subject.vocab_size, generator=torch.Generator().manual_seed(3)).to(logits)
        # Row t asks for position t alone, so that one backward pass answers for all positions.
        total = logits.diagonal(dim1=0, dim2=1).mul(weights[:, None]).sum()
        gradients = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else ()
    by_input = [one.norm(dim=2) for one in gradients if one is not None]
    if not by_input or not float(sum(one.sum() for one in by_input)):
        return not_checked(GRADIENTS, "no gradient reaches the token embedding, so none can be seen to come from it")
    reach = torch.stack(by_input).amax(dim=0).cpu()
    if not bool(reach.isfinite().all()):
        return not_finite(GRADIENTS)
    later = float(reach.triu(diagonal=1).max()) / float(reach.max())
    earlier = [position - int(row.nonzero()[0]) for position, row in enumerate(reach) if bool(row.any())]
    did = f"took the gradient of each position's logits to all {length} embedded tokens in {_precision(subject)}"
    figure = f"largest to a later token {later:.1e} of the largest to any; receptive field {max(earlier) + 1} tokens"
    if later > _TOLERANCE[subject.is_float64]:
        return Finding(GRADIENTS, "leak", did, figure, _MASK)
    if max(earlier) < 1:
        return Finding(
            GRADIENTS, "warning", did, figure, "no position reads an earlier token: context does not reach the logits"
        )
    return Finding(GRADIENTS, "passed", did, figure)


def check_probabilities(subject: AuditedModel, length: int = PROBABILITY_LENGTH) -> Finding:
    """exp(-NLL) of the next token, summed over all tokens it could be, is one: else it was read, not predicted.

    Each candidate stands in the input as it does in an evaluation, and its loss is taken where an evaluation
    takes it: at the position before.
    """
    subject = subject.precise
    length = min(length, subject.max_length)
    ids = draw_ids(subject, 1, length, seed=4)
    sums = [_total_probability(subject, ids, position) for position in range(1, length)]
    if not all(math.isfinite(one) for one in sums):
        return not_finite(PROBABILITIES)
    worst = max(sums, key=lambda one: abs(one - 1))
    did = (
        f"put each of {subject.vocab_size:,} tokens at each of positions 1 to {length - 1} and added up exp(-loss) "
        f"in {_precision(subject)}"
    )
    figure = f"the sum farthest from one is {worst:.9f}"
    if abs(worst - 1) > (1e-7 if subject.is_float64 else 1e-3):
        advice = "a probability that depends on the answer itself: " + _MASK
        return Finding(PROBABILITIES, "leak", did, figure, advice)
    return Finding(PROBABILITIES, "passed", did, figure)


def _with_other_futures(subject: AuditedModel, ids: Tensor, cuts: list[int]) -> list[tuple[int, Tensor]]:
    """(cut, logits (T, V)) with every token after `cut` replaced."""
    length = ids.shape[1]
    places = torch.arange(length)
    changed = torch.cat([torch.where(places <= cut, ids, other_ids(subject, ids, seed=cut + 1)) for cut in cuts])
    found: list[tuple[int, Tensor]] = []
    for start in range(0, len(cuts), subject.rows_at_once(length)):
        part = slice(start, start + subject.rows_at_once(length))
        found += zip(cuts[part], subject.logits(changed[part]), strict=True)
    return found


def _total_probability(subject: AuditedModel, ids: Tensor, position: int) -> float:
    """Sum over tokens v of the probability that position - 1 gives to v where v stands at `position`."""
    total = 0.0
    rows = subject.rows_at_once(ids.shape[1])
    for start in range(0, subject.vocab_size, rows):
        candidates = torch.arange(start, min(start + rows, subject.vocab_size))
        inputs = ids.repeat(len(candidates), 1)
        inputs[:, position] = candidates
        with torch.no_grad():
            log_probs = torch.log_softmax(subject.logits(inputs)[:, position - 1].double(), dim=1)
        total += float(log_probs.cpu().gather(1, candidates[:, None]).exp().sum())
    return total


def _spaced(count: int, most: int) -> list[int]:
    return sorted({round(one) for one in torch.linspace(0, count - 1, min(count, most)).tolist()})


def _precision(subject: AuditedModel) -> str:
    return "float64" if subject.is_float64 else "float32"

"""The leak checks of every trial: a model that can read its targets is not trained, one that did is not ranked."""

from __future__ import annotations

from collections.abc import Mapping

from nas.audit.audited_model import AuditedModel
from nas.audit.causality import check_future_tokens, check_gradients
from nas.audit.finding import Finding
from nas.audit.plausibility import check_plausibility
from nas.errors import Leak
from nas.model import Decoder

GATE_LENGTHS, GATE_CUTS = (2, 5, 16), 3


def refuse_leak_by_design(model: Decoder) -> None:
    """Raise Leak if the untrained `model` reads the future, by the checks that take at most a second."""
    audited = AuditedModel(model, model.config.vocab_size, model.config.max_seq_length)
    _refuse(check_future_tokens(audited, GATE_LENGTHS, GATE_CUTS))
    _refuse(check_gradients(audited))


def refuse_leak_by_result(bpb: float, num_params: int, compressors: Mapping[str, float]) -> None:
    """Raise Leak if a trained model is better than its size allows; `compressors` as in `check_plausibility`."""
    _refuse(check_plausibility(bpb, num_params, compressors))


def _refuse(finding: Finding) -> None:
    if finding.outcome == "leak":
        raise Leak(f"leak: {finding.check}: {finding.figure}; {finding.advice}")

"""The causality audit: whether a language model, its evaluation or its decoding can see what it must predict.

Each check measures one figure of one model and is able to fail alone; none of them trusts another.
"""

from nas.trial.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.trial.audit.decoding import check_cache
from nas.trial.audit.finding import Finding, Verdict
from nas.trial.audit.subject import Subject

__all__ = [
    "Finding",
    "Subject",
    "Verdict",
    "check_cache",
    "check_future_tokens",
    "check_gradients",
    "check_probabilities",
]

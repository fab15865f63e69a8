"""Search architectures: propose candidates, run their rungs, stop weak ones, and export the best.

`from nas.search import run_study, Scores, Budget` is the Python interface. The names load when they are first used,
so that `python -m nas.search --help` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.search.callable_objective import Scores, StudyResult, run_study
    from nas.search.driver import Budget

__all__ = ["Budget", "Scores", "StudyResult", "run_study"]

_MODULES = {"Budget": "nas.search.driver"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES.get(name, "nas.search.callable_objective")), name)

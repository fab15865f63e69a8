"""What one check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["passed", "leak", "warning", "not checked"]


@dataclass(frozen=True)
class Finding:
    """One check: what was done, the figure that came out, and what it means."""

    check: str
    verdict: Outcome
    did: str
    figure: str
    advice: str = ""
    """The likely cause and where to look, where something is wrong; why, where nothing was checked."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def not_checked(check: str, why: str) -> Finding:
    return Finding(check, "not checked", "nothing", "none", why)


def not_finite(check: str) -> Finding:
    """NaN compares as false with any bound, so that a model of NaN would pass most checks."""
    return not_checked(check, "what the model says is not finite: its training diverged, or its weights are damaged")

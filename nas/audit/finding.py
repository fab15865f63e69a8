"""The result of one check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["passed", "leak", "warning", "not checked"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: how it was done, its figure, and what it means."""

    check: str
    outcome: Outcome
    method: str
    figure: str
    advice: str = ""
    """The likely cause and where to look if something is wrong; the reason if nothing was checked."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def not_checked(check: str, why: str) -> Finding:
    """Return a finding that nothing was checked, and the reason."""
    return Finding(check, "not checked", "nothing", "none", why)


def not_finite(check: str) -> Finding:
    """Return a finding that the outputs are not finite: NaN compares as false with any bound and would pass."""
    return not_checked(check, "the model's output is not finite: its training diverged, or its weights are damaged")

"""What a search asks of a Ray cluster. Imports no Ray: it is planned where none is installed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_NEARLY = 1e-9
"""Three trials of a third of a GPU fill it, whatever their floats add up to."""


@dataclass(frozen=True)
class RaySettings:
    """What a search asks of a Ray cluster."""

    address: str | None = None
    """HOST:PORT of the cluster to join, or `auto` for that of this machine; None starts one for this search alone."""
    cpus: float = 1.0
    """Of each trial, as Ray counts them: a reservation. The whole ones are torch's threads."""
    gpus: float = 0.0
    """Of each trial; of a half two share one."""

    def room(self, node: Mapping[str, float]) -> int:
        """How many trials a node with these resources holds at once."""
        asked = {"CPU": self.cpus, "GPU": self.gpus}
        return min(math.floor(node.get(key, 0) / one + _NEARLY) for key, one in asked.items() if one)

    def __str__(self) -> str:
        """In words."""
        cpus = f"{self.cpus:g} CPU{'s' * (self.cpus != 1)}"
        return cpus + (f" and {self.gpus:g} GPU{'s' * (self.gpus != 1)}" if self.gpus else "")

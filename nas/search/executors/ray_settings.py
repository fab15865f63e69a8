"""Resources that a search requests from Ray. Imports no Ray: a search can be planned where it is not installed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_ROUNDING = 1e-9
"""Three trials of a third of a GPU fill it, despite rounding errors."""


@dataclass(frozen=True)
class RaySettings:
    """The cluster to use, and the resources of each trial."""

    address: str | None = None
    """HOST:PORT of the cluster to join, or `auto` for that of this machine; None starts one for this search."""
    cpus: float = 1.0
    """CPUs that each trial reserves; whole ones are torch's threads."""
    gpus: float = 0.0
    """GPUs that each trial reserves; with 0.5, two trials share one."""

    def capacity(self, node: Mapping[str, float]) -> int:
        """Return how many trials fit on a node with these resources at once."""
        requested = {"CPU": self.cpus, "GPU": self.gpus}
        return min(math.floor(node.get(key, 0) / share + _ROUNDING) for key, share in requested.items() if share)

    def __str__(self) -> str:
        """Return the resources of a trial in words."""
        cpus = f"{self.cpus:g} CPU{'s' * (self.cpus != 1)}"
        return cpus + (f" and {self.gpus:g} GPU{'s' * (self.gpus != 1)}" if self.gpus else "")

"""What a search on a table of known results paid for, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from experiments.search_benchmark.results_table import Cell, Table

GRID = ("vocab_size", "hidden_dim", "num_layers", "position_encoding")


@dataclass(frozen=True)
class Paid:
    """One result that a search paid for."""

    spent_flops: float
    """In all, when the result was there."""
    cell: Cell
    is_top: bool
    """Only what is trained to the end can be chosen."""


Trace = list[Paid]
Rival = Callable[[Table, int, float], Trace]
"""(table, seed, FLOPs to spend) -> what was paid for."""

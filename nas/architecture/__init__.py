"""Describe one architecture as plain data: its JSON, what is legal, and what it costs by formula."""

from nas.architecture.config import ArchitectureConfig

__all__ = ["ArchitectureConfig"]

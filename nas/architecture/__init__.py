"""Architectures as plain data: their JSON, their legal values, and their costs by formula."""

from nas.architecture.config import ArchitectureConfig

__all__ = ["ArchitectureConfig"]

"""codenas: neural architecture search for small language models of Python code."""

from __future__ import annotations

__version__ = "0.1.0"

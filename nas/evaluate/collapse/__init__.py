"""Detect whether a completion has collapsed, and by which rule: blank, a copy of its prompt, a loop and others."""

from nas.evaluate.collapse.detector import DETECTOR_VERSION, RULES, collapse_rule

__all__ = ["DETECTOR_VERSION", "RULES", "collapse_rule"]

"""Extrapolate from the budget of a search to that of a full training."""

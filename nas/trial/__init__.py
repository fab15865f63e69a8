"""Run one trial: train under a FLOP budget, evaluate on validation, record the result."""

"""Train a model: the one training loop, its recipe, batches, numerics and weights on disk."""

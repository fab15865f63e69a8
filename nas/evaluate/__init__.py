"""Evaluate a model and the code it generates: metrics, prompts, collapse and quality."""

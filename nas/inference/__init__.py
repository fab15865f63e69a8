"""Use of a trained model: text completion, streaming, and bits per byte."""

"""Use a trained model: text in and text out, streaming, and bits per byte."""

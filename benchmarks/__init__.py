"""Benchmarks: one script for each question, run by `python -m benchmarks.NAME`; they are not in the wheel."""

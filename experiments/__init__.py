"""Experiments behind the published results: each is a resumable command, `python -m experiments.NAME`."""

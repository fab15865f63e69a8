"""Prepared data: a corpus is built and encoded once in one folder, and every trial opens it."""

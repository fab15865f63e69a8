"""Prepare a corpus once, split and encoded in one folder, so that every trial can open it."""

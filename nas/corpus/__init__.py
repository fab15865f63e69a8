"""Corpora: sources are read, cleaned, stripped of near-duplicates and split."""

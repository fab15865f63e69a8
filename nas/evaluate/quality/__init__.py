"""Describe the quality of completions beyond collapse: categories, junk, syntax, and how certain each rate is."""

"""Figures, tables and the HTML page, from records alone: no torch, no live study."""

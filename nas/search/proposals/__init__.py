"""Propose which architecture to try next."""

"""Report figures, tables and pages from records alone: no torch, no live study."""

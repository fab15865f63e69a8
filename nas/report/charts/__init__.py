"""The charts of reports, one per file: each draws records, and the page shows the same figures as a table."""

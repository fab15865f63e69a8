"""The charts of reports, one a file: each draws records, and the page shows the same figures as a table."""

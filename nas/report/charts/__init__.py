"""The charts of a study's page, one a file, each drawn from records and backed by a table on the page."""

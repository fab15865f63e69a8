"""Build the report of a search study: page, text, Markdown and JSON."""

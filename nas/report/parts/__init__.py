"""Provide the parts that all reports share: documents, drawing, tables and wording."""

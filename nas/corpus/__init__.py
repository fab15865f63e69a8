"""Turn sources into documents: read, clean, remove near-copies and split."""

"""Convert text to token ids and back, with our own vocabularies and those of others."""

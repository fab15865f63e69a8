"""Tokenizers: our own vocabularies and foreign ones convert text to token ids and back, byte for byte."""

"""Export a checkpoint to the formats of other programs: a transformers folder or a GGUF file."""

"""What turns a checkpoint into the files of others: a folder of transformers', a GGUF file."""

"""Train one architecture fully: planned, estimated, checkpointed, and resumable after any stop."""

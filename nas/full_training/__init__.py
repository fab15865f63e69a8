"""The life of a full training: planned, estimated, run for as long as it takes, and taken up again after any stop."""

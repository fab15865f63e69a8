"""Studies that docs/ reports: each a command that can be stopped and goes on where it was."""

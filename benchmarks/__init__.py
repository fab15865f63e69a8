"""What this costs and how that compares: one script a question, `python -m benchmarks.NAME`. Not part of the wheel."""

"""Record results as plain data with a schema version: trials, studies, full trainings and comparisons."""

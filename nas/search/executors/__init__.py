"""Run the tasks of a search: in this process, in worker processes, or on a Ray cluster."""

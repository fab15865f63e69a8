"""Build the report of full training runs."""

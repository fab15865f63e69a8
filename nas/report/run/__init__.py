"""The report of full trainings: the page of one run or of several, text, JSON, and the progress bar."""

"""The life of a search: which architecture is asked next, who trains it, and what is kept of it."""

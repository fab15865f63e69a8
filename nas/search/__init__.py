"""Search architectures: propose candidates, run their rungs, stop weak ones, and export the best."""

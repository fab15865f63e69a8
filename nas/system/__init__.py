"""Handle the machine: files, locks, signals, hardware and provenance."""

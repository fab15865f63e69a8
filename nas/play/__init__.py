"""Complete code for a person: settings, display, input and the interactive session."""

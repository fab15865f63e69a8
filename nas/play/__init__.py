"""Complete code for a person: settings, display, the interactive session and its history."""

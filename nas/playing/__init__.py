"""What `nas.play` does: settings, what is shown, the session at a prompt with its input and history."""

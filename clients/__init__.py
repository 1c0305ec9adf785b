"""Those who listen: the Python subscribers and the terminal view."""

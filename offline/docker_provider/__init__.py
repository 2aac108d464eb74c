"""The stand-in for the Docker resource plugin."""

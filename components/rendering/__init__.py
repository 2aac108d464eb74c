"""Configuration files from settings: pure, sorted, escaped."""

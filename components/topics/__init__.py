"""Topics as code."""

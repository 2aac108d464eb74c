"""Generated passwords."""

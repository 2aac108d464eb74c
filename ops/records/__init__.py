"""Records: produced from lines, and consumed as lines."""

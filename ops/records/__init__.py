"""Records: written from lines, and shown as lines."""

"""Consumer groups: their progress, and resets of their offsets."""

"""Day two: look at a running platform, work with it, back it up, and prove that it survives."""

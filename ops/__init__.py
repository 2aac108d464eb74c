"""Day two: inspect a running platform, work with it, back it up, and test that it survives failures."""

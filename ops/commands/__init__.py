"""The commands: each module registers its own, reads options and shows results; the work is done elsewhere."""

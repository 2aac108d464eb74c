"""The commands: each module adds its own with ``register`` and does no more than read options and show results."""

"""Dynamic providers; their module paths are stored in state and never change."""

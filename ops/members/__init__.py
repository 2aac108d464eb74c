"""Members of the platform: their status and their logs."""

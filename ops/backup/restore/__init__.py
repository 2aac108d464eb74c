"""Restores an archive into a platform, all or nothing."""

"""Drills: break one thing of a running platform under load, mend it, and judge what was promised for that case."""

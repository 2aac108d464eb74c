"""Drills: break one part of a running platform under load, heal it, and judge the promises made for that failure."""

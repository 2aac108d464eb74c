"""Heals a stack after an update was killed: releases its lock, and removes what exists but is in no state."""

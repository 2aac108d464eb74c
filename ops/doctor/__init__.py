"""Checks of this machine, the stack and its platform; each finding names the command that fixes it."""

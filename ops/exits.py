"""Exit codes that scripts can use; documented in the README."""

OK = 0
FOUND_WRONG = 1
"""What was looked at is not well: a member is down, a promise is broken, a check failed."""
USAGE = 2
"""The command line itself is wrong; nothing was done."""
UNREACHABLE = 3
"""The stack, the platform or what it runs on does not answer."""
REFUSED = 4
"""It would harm something, or it is not possible as asked; nothing was done."""
INTERRUPTED = 130
"""Ended by Ctrl-C, after healing or removing what was half-made."""

"""What a change of the health gate's settings means."""

from components.transitions import Allowed, Table, always

RULES: Table = {"deadline": always(Allowed(note="restarts nothing; counts from the next wait"))}
"""The answer for each of the gate's settings."""

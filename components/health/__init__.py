"""The health gate: ``up`` ends when the platform is healthy."""

"""The rules, by subject."""

from policies.rules import (
    access,
    availability,
    brokers,
    ensembles,
    health,
    images,
    memory,
    replication,
    secrets,
    security,
    storage,
)
from policies.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *replication.RULES,
    *brokers.RULES,
    *ensembles.RULES,
    *availability.RULES,
    *memory.RULES,
    *security.RULES,
    *access.RULES,
    *secrets.RULES,
    *images.RULES,
    *health.RULES,
    *storage.RULES,
)
"""Every rule, in the order of the README's table."""

"""Profiles: the defaults for a laptop, a replicated platform, or production. A stack file overrides any of them.

Each subject holds the defaults of its own section, with the keys of the stack file; they are checked as the stack file
is.
"""

from collections.abc import Mapping
from typing import Any

from components.health.settings import HealthSettings
from components.kafka.settings import KafkaSettings
from components.monitoring.settings import MonitorSettings
from components.redis.settings import RedisSettings
from components.stack_file.sections import PROFILE_NAMES, Section, merged
from components.zookeeper.settings import ZooKeeperSettings

_SECTIONS: Mapping[str, type[Section]] = {
    "zookeeper": ZooKeeperSettings,
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "monitor": MonitorSettings,
    "health": HealthSettings,
}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    name: {
        key: section.profile_defaults[name] for key, section in _SECTIONS.items() if name in section.profile_defaults
    }
    for name in PROFILE_NAMES
}
"""Defaults of the whole stack file by profile."""


def with_profile(declared: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The declared values over the profile's."""
    return merged(PROFILES[profile], declared)

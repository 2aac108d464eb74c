"""Profiles: the defaults for a laptop, a replicated platform, or production. A stack file overrides any of them.

Each section holds its own defaults, under the keys of the stack file; they are validated like the stack file.
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
    """The profile's values, overridden by the declared ones."""
    return merged(PROFILES[profile], declared)

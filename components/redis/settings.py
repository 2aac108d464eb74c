"""What a stack file may say about the Redis server, and the directives of redis.conf that it must not set."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from components.limits import MAX_ENTRIES, MAX_TEXT
from components.sections import DERIVED, Config, Memory, Port, ServerSettings, Wait, refuse_protected

PROTECTED_KEYS: Mapping[str, str] = {
    "aclfile": "set redis.password",
    "appenddirname": DERIVED,
    "appendfilename": DERIVED,
    "appendonly": "set redis.appendOnly",
    "bind": DERIVED,
    "daemonize": DERIVED,
    "dbfilename": DERIVED,
    "dir": DERIVED,
    "include": DERIVED,
    "maxmemory": "set redis.maxMemory",
    "maxmemory-policy": "set redis.evictionPolicy",
    "port": "set redis.port",
    "requirepass": "set redis.password",
    "save": "set redis.save",
}

_REDIS_DIRECTIVE = re.compile(r"[A-Za-z0-9-]+")


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "light": {
        "port": 6379,
        "memory": "256MiB",
        "maxMemory": "128MiB",
        "evictionPolicy": "noeviction",
        "appendOnly": False,
        "save": ["60 1000"],
        "authentication": False,
    },
    "ha": {
        "port": 16379,
        "memory": "512MiB",
        "maxMemory": "256MiB",
        "evictionPolicy": "allkeys-lru",
        "appendOnly": True,
        "save": [],
        "authentication": True,
    },
    "production": {
        "port": 6379,
        "memory": "512MiB",
        "cpu": "100m",
        "cpuLimit": "500m",
        "storage": "10GiB",
        "maxMemory": "256MiB",
        "evictionPolicy": "allkeys-lru",
        "appendOnly": True,
        "save": [],
        "authentication": True,
        "stopGrace": "30s",
    },
}
"""Defaults by profile, with the keys of the stack file."""


class RedisSettings(ServerSettings):
    """The Redis server."""

    profile_defaults = PROFILES

    port: Port = Field(description="Port on this machine")
    max_memory: Memory = Field(description="Memory for data before eviction")
    eviction_policy: Literal[
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] = Field(description="What to evict when maxMemory is reached")
    append_only: bool = Field(description="Whether every write goes to the append-only file")
    save: list[Annotated[str, Field(pattern=r"^[0-9]{1,9} [0-9]{1,9}$")]] = Field(
        max_length=MAX_ENTRIES,
        description='Snapshot rules, each "seconds changes"; an empty list switches snapshots off',
    )
    authentication: bool = Field(description="Whether clients need a password")
    password: SecretStr | None = Field(
        None, min_length=1, max_length=MAX_TEXT, description="The password (a Pulumi secret); unset generates one"
    )
    accept_previous_password: bool = Field(
        default=True, description="Whether the password before the last change still works; false drops it"
    )
    stop_grace: Wait = Field(timedelta(seconds=10), description="Time to stop cleanly")
    config: Config = Field(default_factory=dict, description="Further redis.conf directives")

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        if odd := [key for key in sorted(config) if not _REDIS_DIRECTIVE.fullmatch(key)]:
            raise ValueError("; ".join(f"{key!r} is not a directive name" for key in odd))
        # Redis ignores the case of directive names.
        folded = {key: PROTECTED_KEYS[key.lower()] for key in config if key.lower() in PROTECTED_KEYS}
        refuse_protected(config, folded)
        if any(key.lower() == "user" and value.split()[:1] == ["default"] for key, value in config.items()):
            raise ValueError("user default: set redis.password")
        return config

    def broken_rules(self) -> list[str]:
        """The data must fit into the memory, and a password needs authentication."""
        problems = super().broken_rules()
        if self.max_memory >= self.memory:
            problems.append(
                f"maxMemory {self.max_memory.human_readable()} does not fit into memory "
                f"{self.memory.human_readable()}: a snapshot needs room beside the data"
            )
        if self.password is not None and not self.authentication:
            problems.append("password is set but authentication is false; set authentication to true")
        return problems

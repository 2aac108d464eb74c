"""What a stack file may say about the ZooKeeper ensemble, and the keys of zoo.cfg that it must not set."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, field_validator

from components.durations import milliseconds
from components.limits import LONGEST_TICK, MAX_ENSEMBLE, MAX_INT
from components.quantities import Duration, Whole, at_most, format_duration
from components.sections import DERIVED, QUICK_START, THROUGHPUT, Config, JavaServerSettings, refuse_protected

_MEMBERS = "the platform adds and removes members, and needs its own value for that"
_ACCESS = "who may change the ensemble's members is the platform's to say"

PROTECTED_KEYS: Mapping[str, str] = {
    "4lw.commands.whitelist": "the health checks need the platform's value",
    "clientPort": "set zookeeper.port",
    "clientPortAddress": "the platform derives the members",
    "dataDir": DERIVED,
    "dataLogDir": DERIVED,
    "db.autocreate": _MEMBERS,
    "dynamicConfigFile": DERIVED,
    "initLimit": "set zookeeper.initLimit",
    "peerType": _MEMBERS,
    "quorumListenOnAllIPs": _MEMBERS,
    "reconfigEnabled": _MEMBERS,
    "skipACL": _ACCESS,
    "standaloneEnabled": _MEMBERS,
    "syncLimit": "set zookeeper.syncLimit",
    "tickTime": "set zookeeper.tickTime",
}

PROTECTED_PREFIXES: Mapping[str, str] = {
    "DigestAuthenticationProvider.": _ACCESS,
    "group.": "the platform gives each member one vote",
    "server.": "the platform derives the members",
    "weight.": "the platform gives each member one vote",
}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "light": {
        "replicas": 1,
        "heap": "256MiB",
        "memory": "512MiB",
        "port": 2181,
        "jvmOptions": QUICK_START,
        "stopGrace": "10s",
    },
    "ha": {
        "replicas": 3,
        "heap": "256MiB",
        "memory": "512MiB",
        "port": 12181,
        "jvmOptions": QUICK_START,
        "stopGrace": "20s",
    },
    "production": {
        "replicas": 3,
        "memory": "1GiB",
        "cpu": "250m",
        "cpuLimit": "1",
        "storage": "10GiB",
        "port": 2181,
        "jvmOptions": THROUGHPUT,
        "stopGrace": "30s",
    },
}
"""Defaults by profile, with the keys of the stack file."""


class ZooKeeperSettings(JavaServerSettings):
    """The ZooKeeper ensemble."""

    profile_defaults = PROFILES

    replicas: Whole = Field(ge=1, le=MAX_ENSEMBLE, description="Number of members")
    tick_time: Annotated[Duration, at_most(LONGEST_TICK, format_duration(LONGEST_TICK))] = Field(
        timedelta(seconds=2), description="ZooKeeper's basic time unit"
    )
    init_limit: Whole = Field(10, ge=1, le=MAX_INT, description="Ticks a follower may take to connect and sync")
    sync_limit: Whole = Field(5, ge=1, le=MAX_INT, description="Ticks a follower may lag behind")
    config: Config = Field(default_factory=dict, description="Further zoo.cfg keys")

    @field_validator("replicas")
    @classmethod
    def _is_odd(cls, replicas: int) -> int:
        if replicas % 2 == 0:
            raise ValueError(f"must be odd: {replicas} members survive no more failures than {replicas - 1}")
        return replicas

    @field_validator("tick_time")
    @classmethod
    def _tick_is_positive(cls, tick: timedelta) -> timedelta:
        if not tick:
            raise ValueError("must be at least 1ms")
        return tick

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        prefixed = {
            key: reason for key in config for prefix, reason in PROTECTED_PREFIXES.items() if key.startswith(prefix)
        }
        refuse_protected(config, {**PROTECTED_KEYS, **prefixed})
        return config

    def broken_rules(self) -> list[str]:
        """ZooKeeper multiplies ticks in a Java ``int`` of milliseconds."""
        problems = super().broken_rules()
        tick = milliseconds(self.tick_time)
        for key, ticks in (("initLimit", self.init_limit), ("syncLimit", self.sync_limit)):
            if tick * ticks > MAX_INT:
                problems.append(f"{key} {ticks} times tickTime {tick}ms is above {MAX_INT}ms, ZooKeeper's longest time")
        return problems

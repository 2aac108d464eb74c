"""The exporter's environment variables. All mistakes are reported at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.durations import duration
from components.errors import SettingsError, count

DEFAULT_INTERVAL = "30s"
DEFAULT_PORT = "9090"
_SHORTEST_INTERVAL = 1.0
"""Seconds; more frequent checks would load the servers."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to check, how often, and where to serve the metrics.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: ``host:port`` of each declared broker by name (``kafka-0`` has broker id 0).
        zookeeper: ``host:port`` of each ensemble member, by name.
        redis: ``host:port`` of each Redis server, by name.
        login_file: File with the user of Kafka as JSON; None if brokers ask for none.
        redis_password_file: File with the password; None if the servers have none.
        interval: Seconds between the starts of two successful runs.
        port: Port of the metrics.
        minimum_in_sync: ``min.insync.replicas`` of topics whose own cannot be read; None leaves them out.
    """

    bootstrap: str
    brokers: Mapping[str, str]
    zookeeper: Mapping[str, str]
    redis: Mapping[str, str]
    login_file: Path | None
    redis_password_file: Path | None
    interval: float
    port: int
    minimum_in_sync: int | None


def load(environment: Mapping[str, str]) -> Settings:
    """Read the variables.

    Raises:
        SettingsError: Variables are missing or invalid; names all of them.
    """
    reader = _Reader(environment)
    login_file, password_file = environment.get("KAFKA_LOGIN_FILE"), environment.get("REDIS_PASSWORD_FILE")
    settings = Settings(
        bootstrap=reader.read("KAFKA_BOOTSTRAP_SERVERS", _addresses, ""),
        brokers=reader.read("KAFKA_BROKERS", _brokers, {}),
        zookeeper=reader.read("ZOOKEEPER_MEMBERS", _members, {}),
        redis=reader.read("REDIS_MEMBERS", _members, {}),
        login_file=Path(login_file) if login_file else None,
        redis_password_file=Path(password_file) if password_file else None,
        interval=reader.read("KAFKA_HEALTH_CHECK_INTERVAL", _interval, 0.0, default=DEFAULT_INTERVAL),
        port=reader.read("METRICS_PORT", _port, 0, default=DEFAULT_PORT),
        minimum_in_sync=reader.read("MINIMUM_IN_SYNC", _optional_count, None, default="-"),
    )
    if reader.problems:
        raise SettingsError(f"{count(len(reader.problems), 'variable')} cannot be used", reader.problems)
    return settings


def metrics_port(environment: Mapping[str, str]) -> int:
    """The port of the metrics.

    Raises:
        SettingsError: METRICS_PORT is invalid.
    """
    reader = _Reader(environment)
    port = reader.read("METRICS_PORT", _port, 0, default=DEFAULT_PORT)
    if reader.problems:
        raise SettingsError("a variable cannot be used", reader.problems)
    return port


class _Reader:
    """Reads variables and collects their problems."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], fallback: T, *, default: str = "") -> T:
        """The variable's value; ``fallback`` if it is invalid, which adds a problem."""
        text = self._environment.get(name, "").strip() or default
        try:
            if not text:
                raise ValueError("is not set")
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name} {error}")
            return fallback


def _addresses(text: str) -> str:
    return ",".join(_address(part.strip()) for part in text.split(","))


def _members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    for part in text.split(","):
        name, separator, address = part.strip().partition("=")
        if not name or not separator:
            raise ValueError(f'has "{part.strip()}"; must be like name-0=host:port,name-1=host:port')
        if name in members:
            raise ValueError(f"names {name} twice")
        members[name] = _address(address)
    return members


def _brokers(text: str) -> dict[str, str]:
    members = _members(text)
    for name in members:
        if not name.rpartition("-")[2].isdecimal():
            raise ValueError(f'has "{name}"; a broker\'s name must end in its id, such as kafka-0')
    return members


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f'has "{text}"; must be host:port')
    return text


def _interval(text: str) -> float:
    rule = f'is "{text}"; must be a duration of at least a second, such as 30s, 1m or a number of seconds'
    try:
        # A number without a unit is in seconds here, not in milliseconds.
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else duration(text).total_seconds()
    except ValueError:
        raise ValueError(rule) from None
    if seconds < _SHORTEST_INTERVAL:
        raise ValueError(rule)
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f'is "{text}"; must be a port from 1 to 65535')
    return int(text)


def _optional_count(text: str) -> int | None:
    if text == "-":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f'is "{text}"; must be a number of replicas, 1 or more')
    return int(text)

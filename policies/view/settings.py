"""Settings of servers from files, variables and arguments."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import javaproperties

from policies.view.servers import KAFKA, File, Server, lines
from policies.view.values import undecided, whole

_OVERRIDE = re.compile(r"""--override[ =]["']?([\w.]+)=([^"'\s]*)""")
_ASSIGNMENT = re.compile(r"""^\s*(\w+)=["']?([^"'\n]*)["']?\s*$""", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_KAFKA_FILES = r"(?<!log4j)(?<!log4j2)(?<!connect)(?<!consumer)(?<!producer)\.properties"
_ZOOKEEPER_FILES = r"\.cfg|zookeeper\.properties"
_ZOOKEEPER_VARIABLES = {
    "autopurge.purgeInterval": ("ZOO_AUTOPURGE_PURGEINTERVAL", "ZOOKEEPER_AUTOPURGE_PURGE_INTERVAL"),
}
_SEPARATORS = {"ZOO_SERVERS": r"\s+", "ZOOKEEPER_SERVERS": ";"}
"""What separates the members, by the variable that lists them."""
_REDIS_VARIABLES = {"requirepass": ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "VALKEY_PASSWORD")}
"""Only Bitnami's images read these; the official images ignore them."""


def kafka_setting(server: Server, key: str) -> str | None:
    """A key of ``server.properties``: from overrides, then variables, then files.

    Raises:
        Undecided: The key may be set in something unknown.
    """
    overrides = dict(_OVERRIDE.findall(server.script))
    if key in overrides:
        return _substituted(server, overrides[key])
    words = key.upper().replace("-", "___").replace("_", "__").replace(".", "_")
    for name in (f"KAFKA_{words}", f"KAFKA_CFG_{words}"):
        value = server.variable(name)
        if value is not None:
            return value
    return _from_properties(server, _KAFKA_FILES, key)


def _substituted(server: Server, text: str) -> str:
    """A text of a start script with its variables replaced, as far as assignments and arguments set them."""
    script = next((index for index, word in enumerate(server.command) if word.endswith(".sh")), len(server.command))
    arguments = server.command[script + 1 :]
    known = {str(index): value for index, value in enumerate(arguments, start=1)}
    for name, value in _ASSIGNMENT.findall(server.script):
        known[name] = _VARIABLE.sub(lambda match: known.get(match[1], match[0]), value)
    return _VARIABLE.sub(lambda match: known.get(match[1], match[0]), text)


def kafka_number(server: Server, key: str, default: int) -> int:
    """A whole number of ``server.properties``.

    Raises:
        Undecided: The value is unknown, or a script computes it.
    """
    text = kafka_setting(server, key)
    if text is None:
        return default
    number = whole(text)
    return undecided(f"{key} of {server}") if number is None else number


def kafka_flag(server: Server, key: str, default: bool) -> bool:
    """A boolean of ``server.properties``.

    Raises:
        Undecided: The value is unknown, or a script computes it.
    """
    text = kafka_setting(server, key)
    if text is None:
        return default
    known = {"true": True, "false": False}.get(text.strip().lower())
    return undecided(f"{key} of {server}") if known is None else known


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener of a broker.

    Args:
        name: Its name.
        port: Its port; None where a script computes it.
        protocol: Its security protocol.
    """

    name: str
    port: int | None
    protocol: str

    @property
    def encrypts(self) -> bool:
        """Whether it speaks TLS."""
        return self.protocol.endswith("SSL")


def exposed_listeners(server: Server) -> Iterator[Listener]:
    """The listeners of a broker that clients on other machines reach.

    Raises:
        Undecided: One of its listeners is unknown; those that are known come first.
    """
    ports = {port for port in server.exposed_ports() if port is not None}
    listeners = _listeners(server) if ports else []
    yield from (listener for listener in listeners if listener.port in ports)
    if any(listener.port is None for listener in listeners):
        undecided(f"a listener's port of {server}")


def _listeners(server: Server) -> list[Listener]:
    """A broker's listeners. Images derive those that are not set from the advertised ones; Kafka's default is one."""
    text = kafka_setting(server, "listeners") or kafka_setting(server, "advertised.listeners") or "PLAINTEXT://:9092"
    pairs = _parts(kafka_setting(server, "listener.security.protocol.map") or "")
    protocols = {name: protocol for name, _, protocol in (pair.partition(":") for pair in pairs)}
    return [
        Listener(name=name, port=whole(address.rpartition(":")[2]), protocol=protocols.get(name, name))
        for name, _, address in (part.partition("://") for part in _parts(text))
    ]


def _parts(text: str) -> list[str]:
    """The parts of a list; names of listeners and protocols are the same in upper and lower case."""
    return [part.strip().upper() for part in text.split(",") if part.strip()]


def super_users(server: Server) -> list[str]:
    """Principals for which a broker asks for no rights: ``User:admin``."""
    return [part.strip() for part in (kafka_setting(server, "super.users") or "").split(";")]


def is_broker(server: Server) -> bool:
    """Whether a server is a Kafka broker; with KRaft, some Kafka servers are controllers only."""
    if server.kind != KAFKA:
        return False
    roles = kafka_setting(server, "process.roles")
    return roles is None or "broker" in roles


def cluster_key(server: Server) -> str:
    """A text that is equal for all brokers of one cluster."""
    for key in ("zookeeper.connect", "controller.quorum.voters", "controller.quorum.bootstrap.servers"):
        value = kafka_setting(server, key)
        if value is not None:
            return ",".join(sorted(re.split(r"[,\s]+", value)))
    return ""


def zookeeper_setting(server: Server, key: str) -> str | None:
    """A key of ``zoo.cfg``."""
    for name in _ZOOKEEPER_VARIABLES.get(key, ()):
        value = server.variable(name)
        if value is not None:
            return value
    return _from_properties(server, _ZOOKEEPER_FILES, key)


def ensemble_members(server: Server) -> list[str]:
    """The ensemble members in a ZooKeeper server's settings; empty if it has none."""
    for name in _SEPARATORS:
        value = server.variable(name)
        if value:
            return sorted(part for part in re.split(_SEPARATORS[name], value) if part)
    return sorted(
        f"{key}={value}"
        for file in server.files_named(_ZOOKEEPER_FILES)
        for key, value in _properties(file).items()
        if key.startswith("server.")
    )


def redis_setting(server: Server, key: str) -> str | None:
    """A directive of ``redis.conf``: from arguments, then files, including included ones, then variables."""
    words = re.split(r"\s+", " ".join(server.command))
    if f"--{key}" in words:
        return next(iter(words[words.index(f"--{key}") + 1 :]), "")
    value, unknown = _from_files(server, r"\.conf", lambda file: _directive(file, key))
    if value is not None:
        return value
    for name in _REDIS_VARIABLES.get(key, ()) if "/bitnami" in f"/{server.image}" else ():
        if name in server.variables or name in server.references:
            return "set"
    return undecided(unknown) if unknown is not None else None


def _directive(file: File, key: str) -> str | None:
    """The last value of a directive in ``redis.conf``."""
    found = [line.partition(" ")[2].strip() for line in lines(file.text()) if line.split()[0].lower() == key]
    return found[-1].strip('"') if found else None


def _from_properties(server: Server, pattern: str, key: str) -> str | None:
    value, unknown = _from_files(server, pattern, lambda file: _properties(file).get(key))
    return undecided(unknown) if value is None and unknown is not None else value


def _properties(file: File) -> Mapping[str, str]:
    """A properties file's entries.

    Raises:
        Undecided: The text is unknown or not a properties file.
    """
    try:
        entries = javaproperties.loads(file.text())
    except javaproperties.InvalidUEscapeError:
        undecided(f"{file.origin}, which is not a properties file")
    return {key: value.strip() for key, value in entries.items()}


def _from_files(server: Server, pattern: str, read: Callable[[File], str | None]) -> tuple[str | None, str | None]:
    """The first value that is read from a file whose path ends in a pattern.

    Returns:
        The value or None, and the origin of an unknown file that may set it.
    """
    unknown: str | None = None
    for file in server.files_named(pattern):
        if not file.known:
            unknown = file.origin
            continue
        value = read(file)
        if value is not None:
            return value, None
    return None, unknown

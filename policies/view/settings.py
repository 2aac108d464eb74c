"""Settings of servers, wherever they are written: files, variables, arguments."""

import re
from collections.abc import Iterator

from policies.view.servers import KAFKA, Server, entry, lines
from policies.view.values import undecided, whole

_OVERRIDE = re.compile(r"""--override[ =]["']?([\w.]+)=([^"'\s]*)""")
_ASSIGNMENT = re.compile(r"""^\s*(\w+)=["']?([^"'\n]*)["']?\s*$""", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_KAFKA_FILES = r"(?<!log4j)(?<!log4j2)(?<!connect)(?<!consumer)(?<!producer)\.properties"
_ZOOKEEPER_VARIABLES = {
    "autopurge.purgeInterval": ("ZOO_AUTOPURGE_PURGEINTERVAL", "ZOOKEEPER_AUTOPURGE_PURGE_INTERVAL"),
}
_ENSEMBLE_VARIABLES = ("ZOO_SERVERS", "ZOOKEEPER_SERVERS")
_REDIS_VARIABLES = {"requirepass": ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "VALKEY_PASSWORD")}
"""Only images of one publisher read these; the official image ignores them."""


def kafka_setting(server: Server, key: str) -> str | None:
    """A key of ``server.properties`` as a broker gets it: overrides, then variables, then files.

    Raises:
        Undecided: When it may be set where nothing is known yet.
    """
    overrides = dict(_OVERRIDE.findall(server.script))
    if key in overrides:
        return _filled(server, overrides[key])
    words = key.upper().replace("-", "___").replace("_", "__").replace(".", "_")
    for name in (f"KAFKA_{words}", f"KAFKA_CFG_{words}"):
        value = server.variable(name)
        if value is not None:
            return value
    return _from_files(server, _KAFKA_FILES, key)


def _filled(server: Server, text: str) -> str:
    """A text of a start script with its variables filled in, as far as plain assignments and arguments say them."""
    script = next((index for index, word in enumerate(server.command) if word.endswith(".sh")), len(server.command))
    arguments = server.command[script + 1 :]
    known = {str(index): value for index, value in enumerate(arguments, start=1)}
    for name, value in _ASSIGNMENT.findall(server.script):
        known[name] = _VARIABLE.sub(lambda match: known.get(match[1], match[0]), value)
    return _VARIABLE.sub(lambda match: known.get(match[1], match[0]), text)


def kafka_number(server: Server, key: str, default: int) -> int:
    """A whole number of ``server.properties``; what a script computes can't be told."""
    text = kafka_setting(server, key)
    if text is None:
        return default
    number = whole(text)
    return undecided(f"{key} of {server}") if number is None else number


def kafka_flag(server: Server, key: str, default: bool) -> bool:
    """A boolean of ``server.properties``."""
    text = kafka_setting(server, key)
    if text is None:
        return default
    known = {"true": True, "false": False}.get(text.strip().lower())
    return undecided(f"{key} of {server}") if known is None else known


def is_broker(server: Server) -> bool:
    """Whether a Kafka server keeps records; with KRaft some are controllers only."""
    if server.kind != KAFKA:
        return False
    roles = kafka_setting(server, "process.roles")
    return roles is None or "broker" in roles


def cluster_of(server: Server) -> str:
    """What the brokers of one cluster have in common."""
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
    return _from_files(server, r"\.cfg|zookeeper\.properties", key)


def ensemble(server: Server) -> list[str]:
    """The members that a ZooKeeper server knows; empty where it is told none."""
    for name in _ENSEMBLE_VARIABLES:
        value = server.variable(name)
        if value:
            return sorted(part for part in _members(name, value) if part)
    files = server.files_named(r"\.cfg|zookeeper\.properties")
    return sorted(f"{key}={value}" for file in files for key, value in _entries(file.text()) if key[:7] == "server.")


def redis_setting(server: Server, key: str) -> str | None:
    """A directive of ``redis.conf``: arguments, then files, included ones too, then variables."""
    words = re.split(r"\s+", " ".join(server.command))
    if f"--{key}" in words:
        return next(iter(words[words.index(f"--{key}") + 1 :]), "")
    unknown: str | None = None
    for file in server.files_named(r"\.conf"):
        if not file.known:
            unknown = file.origin
            continue
        found = [line.partition(" ")[2].strip() for line in lines(file.text()) if line.split()[0].lower() == key]
        if found:
            return found[-1].strip('"')
    for name in _REDIS_VARIABLES.get(key, ()) if "/bitnami" in f"/{server.image}" else ():
        if name in server.variables or name in server.references:
            return "set"
    return undecided(unknown) if unknown is not None else None


def _members(name: str, value: str) -> list[str]:
    return value.split(";") if name == "ZOOKEEPER_SERVERS" else value.split()


def _from_files(server: Server, pattern: str, key: str) -> str | None:
    unknown: str | None = None
    for file in server.files_named(pattern):
        if not file.known:
            unknown = file.origin
            continue
        found = [value for name, value in _entries(file.text()) if name == key]
        if found:
            return found[-1]
    return undecided(unknown) if unknown is not None else None


def _entries(text: str) -> Iterator[tuple[str, str]]:
    return (entry(line) for line in lines(text))

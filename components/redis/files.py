"""redis.conf, and the file with the password that it includes."""

from components.redis.settings import RedisSettings

PORT = 6379


def redis_conf(settings: RedisSettings, *, data_path: str, password_file: str | None) -> str:
    """The server's configuration, sorted by directive.

    Args:
        settings: The server's settings.
        data_path: Folder of snapshots and the append-only file.
        password_file: A file to include that holds the password; None for a server without one.
    """
    directives = {
        "appendfsync": "everysec",
        "appendonly": "yes" if settings.append_only else "no",
        "bind": "0.0.0.0",
        "dir": data_path,
        "maxmemory": str(int(settings.max_memory)),
        "maxmemory-policy": settings.eviction_policy,
        "port": str(PORT),
        # The target binds the port to loopback, and a password protects it if one is set.
        "protected-mode": "no",
    } | settings.config
    lines = [f"{name} {_argument(value)}" for name, value in sorted(directives.items())]
    lines += [f"save {rule}" for rule in settings.save] or ['save ""']
    if password_file is not None:
        lines.append(f"include {password_file}")
    return "".join(f"{line}\n" for line in lines)


def password_conf(password: str) -> str:
    """The file that ``redis.conf`` includes."""
    return f"requirepass {_quoted(password)}\n"


def _argument(value: str) -> str:
    """A directive's value, quoted if needed; words stay separate arguments, as in ``client-output-buffer-limit``."""
    plain = value.isprintable() and value.isascii() and not set(value) & {'"', "'", "\\", "#"} and value.strip()
    return value if plain else _quoted(value)


def _quoted(value: str) -> str:
    r"""A double-quoted argument as Redis's ``sdssplitargs`` reads it: bytes outside ASCII as ``\xHH``."""
    escaped = "".join(
        f"\\{chr(byte)}" if chr(byte) in '"\\' else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
        for byte in value.encode()
    )
    return f'"{escaped}"'

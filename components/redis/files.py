"""redis.conf, the files with the password, and the start script."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from components.redis.settings import RedisSettings

PORT = 6379


def redis_conf(
    settings: RedisSettings, *, data_path: str, password_file: str | None, users_file: str | None = None
) -> str:
    """The server's configuration, sorted by directive.

    Args:
        settings: The server's settings.
        data_path: Folder of snapshots and the append-only file.
        password_file: A file to include that holds the password; None for a server without one.
        users_file: The file of the server's users, instead of ``password_file``: a server has one or the other.
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
    if users_file is not None:
        lines.append(f"aclfile {users_file}")
    elif password_file is not None:
        lines.append(f"include {password_file}")
    return "".join(f"{line}\n" for line in lines)


def password_conf(accepted: Sequence[str]) -> str:
    """The file that ``redis.conf`` includes.

    Args:
        accepted: The passwords that clients may use. ``requirepass`` takes one, so several are given as hashes.
    """
    if len(accepted) == 1:
        return f"requirepass {_quoted(accepted[0])}\n"
    return default_user(accepted)


def default_user(accepted: Sequence[str]) -> str:
    """The line that gives the platform's own user its passwords, as hashes: for ``redis.conf`` or a file of users."""
    return f"user default on ~* &* +@all {' '.join(map(password_rule, accepted))}\n"


def password_rule(password: str) -> str:
    """The access rule that adds a password to a user, without showing it: ``#`` and its SHA-256."""
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class UserFiles:
    """Where a server that has several users keeps them.

    Args:
        users: The file of all users, beside the data. The server reads it, and writes it at ``ACL SAVE``.
        own: The file with the platform's own user: :func:`default_user`.
    """

    users: str
    own: str


def start_script(*, data_path: str, password_path: str, users: UserFiles | None = None) -> str:
    """A script that makes the data ready for the configured persistence, then becomes the server.

    Redis loads either the append-only file or the snapshot, as ``appendonly`` says, and starts empty if that one does
    not exist. So before the first start with another setting, a server that only its own socket reaches loads the data
    in its old form and writes it in its new one (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
    The old form is the newer one until the new one is complete, so a script that is killed starts over.

    Args:
        data_path: Folder of snapshots and the append-only file.
        password_path: The file that holds the password, if there is one.
        users: Where the server's users are; None for a server with one user.
    """
    own_user = "" if users is None else _own_user(users)
    return f"""\
#!/bin/sh
# Usage: start-redis.sh CONFIG
set -eu
config=$1
log={data_path}/appendonlydir
socket=/tmp/redis-convert.sock
if [ -f {password_path} ]; then REDISCLI_AUTH=$(cat {password_path}); export REDISCLI_AUTH; fi
{own_user}ask() {{ redis-cli -s "$socket" "$@" 2> /dev/null; }}
load() {{ # Start a server that no client reaches, and wait until it has loaded the data.
    redis-server "$config" --port 0 --unixsocket "$socket" --save '' --daemonize no --appendonly "$1" &
    server=$!
    until [ "$(ask ping)" = PONG ]; do kill -0 "$server"; sleep 0.2; done
}}
finish() {{ ask shutdown nosave || true; wait "$server"; }}
if grep -q '^appendonly yes' "$config"; then
    if [ ! -f "$log/appendonly.aof.manifest" ] && [ -f {data_path}/dump.rdb ]; then
        echo "start-redis.sh: writing the append-only file from the snapshot"
        load no
        ask config set appendonly yes > /dev/null
        # Redis writes the manifest when the file is complete.
        until [ -f "$log/appendonly.aof.manifest" ]; do kill -0 "$server"; sleep 0.2; done
        finish
    fi
elif [ -f "$log/appendonly.aof.manifest" ]; then
    echo "start-redis.sh: writing the snapshot from the append-only file"
    load yes
    [ "$(ask save)" = OK ]
    finish
    mv "$log" "$log.old" # at once, so that no half of it is ever loaded
fi
rm -rf "$log.old"
unset REDISCLI_AUTH
exec redis-server "$config"
"""


def _own_user(users: UserFiles) -> str:
    """Lines of the start script: the platform's own user is as its file says, others as they were saved.

    A file of users replaces the password in ``redis.conf``: Redis ignores ``requirepass`` beside it, and does not start
    with a ``user`` line. A server that was switched back to one user forgets the others, or they would return later.
    """
    new = f"{users.users}.new"
    return f"""\
if [ -f {users.own} ]; then
    (
        umask 077
        cat {users.own} > {new}
        # 1 means that there are no others; users that cannot be read are not forgotten.
        [ ! -f {users.users} ] || grep -v '^user default ' {users.users} >> {new} || [ $? -eq 1 ]
    )
    mv {new} {users.users}
else
    rm -f {users.users}
fi
"""


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

"""zoo.cfg and the ensemble's start script."""

import base64
import hashlib
from collections.abc import Mapping

from components.quantities import milliseconds
from components.zookeeper.client import ADMIN, CLIENT_PORT, ELECTION_PORT, FOLLOWER_PORT
from components.zookeeper.settings import ZooKeeperSettings


def zoo_cfg(settings: ZooKeeperSettings) -> Mapping[str, str]:
    """The configuration that all members share; each adds its own ``dataDir`` and list of members at start.

    It does not depend on the number of members: a change of that restarts nobody.

    Args:
        settings: The ensemble's settings.
    """
    entries = {
        "4lw.commands.whitelist": "ruok,srvr,mntr",
        "admin.enableServer": "false",
        # Without a purge, snapshots fill the disk; by default ZooKeeper never purges.
        "autopurge.purgeInterval": "1",
        "autopurge.snapRetainCount": "3",
        "clientPort": str(CLIENT_PORT),
        # A member without data has no vote until it has copied the others', unless it founds the ensemble: see
        # https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html, zookeeper.db.autocreate.
        "db.autocreate": "false",
        "initLimit": str(settings.init_limit),
        "maxClientCnxns": "0",
        # A member whose own name does not resolve yet must still bind (ZOOKEEPER-4708).
        "quorumListenOnAllIPs": "true",
        "reconfigEnabled": "true",
        # A single member is an ensemble of one, so that others can join it while it runs.
        "standaloneEnabled": "false",
        "syncLimit": str(settings.sync_limit),
        "tickTime": str(milliseconds(settings.tick_time)),
    }
    return entries | settings.config


def admin_cfg(password: str) -> Mapping[str, str]:
    """The entry that lets one account, and no other, change which members the ensemble has.

    Args:
        password: The password of the account :data:`ADMIN`.
    """
    # ZooKeeper itself uses SHA-1 here; the password is random and too long to be guessed.
    digest = base64.b64encode(hashlib.sha1(f"{ADMIN}:{password}".encode(), usedforsecurity=False).digest()).decode()
    return {"DigestAuthenticationProvider.superDigest": f"{ADMIN}:{digest}"}


def start_script(config_path: str, admin_path: str, data_path: str) -> str:
    """A script that gives a member its id, data folder and list of members, then becomes the server.

    Its arguments are the ordinal and the name by which the others reach the member. ZooKeeper ids start at 1; the id
    file is written at each start, so that it is never lost or stale.

    The list of members is part of the data: ZooKeeper writes a new one, named after its version, at each change. A
    member that is in the newest list that it knows has the role of that list. All others start as observers, which have
    no vote, and are made voters by :meth:`~components.zookeeper.safety.EnsembleSafety.join`. Only members that the
    target calls founders (``FOUNDERS``) found an ensemble, and only where no other member left data in this volume.

    A member waits for at most ten seconds until DNS has its name. Before that it can reach the others and be elected,
    but they cannot follow it, and it would lead nobody for ``initLimit`` ticks. Its own ``/etc/hosts`` always has the
    name, so DNS is asked directly, with the image's own tool: glibc's ``getent`` or busybox's ``nslookup``.
    """
    return f"""\
#!/bin/bash
# Usage: start-zookeeper.sh ORDINAL NAME
set -eu
ordinal=$1 host=$2 founders=${{FOUNDERS:-0}}
published() {{ getent -s dns hosts "$1" || nslookup "$1"; }}
for _ in {{1..50}}; do
    if published "$host" > /dev/null 2>&1; then break; fi
    sleep 0.2
done
umask 077
data={data_path}/zookeeper-$ordinal
mkdir -p "$data"
echo "$((ordinal + 1))" > "$data/myid"
newest="" version=-1
for list in "$data"/zoo.cfg.dynamic.*; do
    suffix=${{list##*.}}
    if [[ $suffix =~ ^[0-9a-f]+$ ]] && ((16#$suffix > version)); then newest=$list version=$((16#$suffix)); fi
done
server() {{
    local label=${{host%%.*}}
    echo "server.$(($1 + 1))=${{label%-*}}-$1${{host#"$label"}}:{FOLLOWER_PORT}:{ELECTION_PORT}:$2;{CLIENT_PORT}"
}}
others() {{ compgen -G "{data_path}/zookeeper-*/version-2/*" | grep -v "^$data/"; }}
members=$data/zoo.cfg.initial
if [ -n "$newest" ] && grep -q "^server\\.$((ordinal + 1))=" "$newest"; then
    members=$newest
elif [ -z "$newest" ] && ((ordinal < founders)) && ! others > /dev/null; then
    echo "$host founds the ensemble"
    for ((other = 0; other < founders; other++)); do server "$other" participant; done > "$members"
    touch "$data/initialize"
else
    echo "$host has no vote: it waits for an ensemble that it can join"
    rm -f "$data/initialize" "$data/zoo.cfg.dynamic.next"
    last=$((ordinal ? ordinal - 1 : 2))
    if [ -n "$newest" ]; then grep "^server" "$newest"; else
        for ((other = !ordinal; other <= last; other++)); do server "$other" participant; done
    fi > "$members"
    server "$ordinal" observer >> "$members"
fi
{{ cat {config_path} {admin_path}; echo "dataDir=$data"; echo "dynamicConfigFile=$members"; }} > "$data/zoo.cfg"
exec /opt/kafka/bin/zookeeper-server-start.sh "$data/zoo.cfg"
"""

"""zoo.cfg and the ensemble's start script."""

from collections.abc import Mapping, Sequence

from components.quantities import milliseconds
from components.zookeeper.settings import ZooKeeperSettings

CLIENT_PORT = 2181
FOLLOWER_PORT = 2888
ELECTION_PORT = 3888


def zoo_cfg(settings: ZooKeeperSettings, hosts: Sequence[str]) -> Mapping[str, str]:
    """The configuration that all members share; each adds its own ``dataDir`` at start.

    Args:
        settings: The ensemble's settings.
        hosts: The name by which the others reach each member, by ordinal.
    """
    entries = {
        "4lw.commands.whitelist": "ruok,srvr,mntr",
        "admin.enableServer": "false",
        # Without a purge, snapshots fill the disk; by default ZooKeeper never purges.
        "autopurge.purgeInterval": "1",
        "autopurge.snapRetainCount": "3",
        "clientPort": str(CLIENT_PORT),
        "initLimit": str(settings.init_limit),
        "maxClientCnxns": "0",
        "syncLimit": str(settings.sync_limit),
        "tickTime": str(milliseconds(settings.tick_time)),
    }
    if len(hosts) > 1:
        # A member whose own name does not resolve yet must still bind (ZOOKEEPER-4708).
        entries["quorumListenOnAllIPs"] = "true"
        for ordinal, host in enumerate(hosts):
            entries[f"server.{ordinal + 1}"] = f"{host}:{FOLLOWER_PORT}:{ELECTION_PORT}"
    return entries | settings.config


def start_script(config_path: str, data_path: str) -> str:
    """A script that gives a member its id and data folder, then becomes the server.

    Its arguments are the ordinal and the name by which the others reach the member. ZooKeeper ids start at 1; the id
    file is written at each start, so that it is never lost or stale.

    A member waits for at most ten seconds until DNS has its name. Before that it can reach the others and be elected,
    but they cannot follow it, and it would lead nobody for ``initLimit`` ticks. Its own ``/etc/hosts`` always has the
    name, so DNS is asked directly, with the image's own tool: glibc's ``getent`` or busybox's ``nslookup``.
    """
    return f"""\
#!/bin/bash
# Usage: start-zookeeper.sh ORDINAL NAME
set -eu
published() {{ getent -s dns hosts "$1" || nslookup "$1"; }}
for _ in {{1..50}}; do
    if published "$2" > /dev/null 2>&1; then break; fi
    sleep 0.2
done
data={data_path}/zookeeper-$1
mkdir -p "$data"
echo "$(($1 + 1))" > "$data/myid"
{{ cat {config_path}; echo "dataDir=$data"; }} > /tmp/zoo.cfg
exec /opt/kafka/bin/zookeeper-server-start.sh /tmp/zoo.cfg
"""

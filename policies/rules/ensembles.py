"""ZooKeeper ensembles."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
from policies.view.servers import ZOOKEEPER, Server
from policies.view.settings import zookeeper_setting
from policies.view.stack import Ensemble, Stack
from policies.view.values import whole


def _odd(ensemble: Ensemble, judgement: Judgement) -> Iterator[str]:
    least = int(judgement.limits["least"])
    if ensemble.size % 2 == 0:
        yield f"{ensemble} has {ensemble.size} members: no more may fail than with {ensemble.size - 1}"
    if judgement.production and ensemble.size < least:
        yield f"{ensemble} has {ensemble.size} member(s), and production takes {least} or more"


def _purge(server: Server, judgement: Judgement) -> Iterator[str]:
    if (whole(zookeeper_setting(server, "autopurge.purgeInterval") or "0") or 0) <= 0:
        yield f"{server} never removes old snapshots"


def _servers(stack: Stack) -> list[Server]:
    return [server for server in stack.servers if server.kind == ZOOKEEPER]


_GUIDE = "https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html"

RULES = (
    Rule(
        name="odd-ensemble",
        title="A ZooKeeper ensemble has an odd number of members, three or more in production",
        reason="A majority must be there; an even ensemble tolerates no more failures, one member tolerates none.",
        remedy="Run 3 or 5 members.",
        source=f"{_GUIDE}#sc_zkMulitServerSetup",
        severity="critical",
        subjects=lambda stack: stack.ensembles,
        check=_odd,
        limits={"production": PRODUCTION, "least": Limit(default=3, meaning="Least number of members in production")},
    ),
    Rule(
        name="ensemble-purges",
        title="A ZooKeeper server removes old snapshots",
        reason="Without it, which is the default, the disk fills.",
        remedy="Set autopurge.purgeInterval=1 and autopurge.snapRetainCount.",
        source=f"{_GUIDE}#sc_maintenance",
        severity="medium",
        mandatory=False,
        subjects=_servers,
        check=_purge,
    ),
)

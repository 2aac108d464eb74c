"""Rules on ZooKeeper ensembles."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.servers import ZOOKEEPER, Server
from policies.view.settings import zookeeper_setting
from policies.view.stack import Ensemble
from policies.view.values import whole


def _odd(ensemble: Ensemble, context: Context) -> Iterator[str]:
    least = int(context.limits["least"])
    if ensemble.size % 2 == 0:
        yield f"{ensemble} has {ensemble.size} members: it tolerates no more failures than one of {ensemble.size - 1}"
    if context.production and ensemble.size < least:
        yield f"{ensemble} has {ensemble.size} member(s); production needs {least} or more"


def _purge(server: Server, context: Context) -> Iterator[str]:
    if (whole(zookeeper_setting(server, "autopurge.purgeInterval") or "0") or 0) <= 0:
        yield f"{server} never removes old snapshots"


_GUIDE = "https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html"

RULES = (
    Rule(
        name="odd-ensemble",
        title="A ZooKeeper ensemble has an odd number of members, three or more in production",
        reason="A majority must be up: an even number tolerates no more failures, a single member none.",
        remedy="Run 3 or 5 members.",
        source=f"{_GUIDE}#sc_zkMulitServerSetup",
        severity="critical",
        subjects=lambda stack: stack.ensembles,
        check=_odd,
        limits={"production": PRODUCTION, "least": Limit(default=3, meaning="Minimum number of members in production")},
    ),
    Rule(
        name="ensemble-purges",
        title="A ZooKeeper server removes old snapshots",
        reason="By default, it keeps all of them and the disk fills.",
        remedy="Set autopurge.purgeInterval=1 and autopurge.snapRetainCount.",
        source=f"{_GUIDE}#sc_maintenance",
        severity="medium",
        mandatory=False,
        subjects=lambda stack: stack.servers_of(ZOOKEEPER),
        check=_purge,
    ),
)
